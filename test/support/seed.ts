import * as fc from 'fast-check'

// The same runs everywhere, so that a red build is about its change. Other ones: FC_SEED=$RANDOM npm test
fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20261121) })

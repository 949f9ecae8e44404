import { writeFileSync } from 'node:fs'
import { familyJsonSchema } from './schema.js'

// Run by the build: editors check family files against what the program really accepts.
writeFileSync(
  new URL('../../patterns/schema.json', import.meta.url),
  `${JSON.stringify(familyJsonSchema(), null, 2)}\n`,
)

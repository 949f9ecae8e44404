#!/usr/bin/env node
import { version } from '../app.js'
import { PatternFolderError } from '../catalog/pattern-files.js'
import { ConfigError } from '../config/config.js'
import { StoreError } from '../store/store.js'
import { UsageError } from './arguments.js'
import { detect, detectHelp } from './detect.js'
import { explain, explainHelp } from './explain.js'
import { patterns, patternsHelpFor } from './patterns.js'
import { scan, scanHelp } from './scan.js'
import { serve, serveHelp } from './serve.js'

const commands: Readonly<
  Record<
    string,
    {
      run: (args: readonly string[]) => Promise<number>
      help: string | ((args: readonly string[]) => string)
      about: string
    }
  >
> = {
  serve: { run: serve, help: serveHelp, about: 'watch logs, raise failures, serve the API and the live stream' },
  scan: { run: scan, help: scanHelp, about: 'read files to their end and report' },
  detect: { run: detect, help: detectHelp, about: 'say what texts from standard input show' },
  explain: { run: explain, help: explainHelp, about: 'say why a log text shows what it shows, clause by clause' },
  patterns: { run: patterns, help: patternsHelpFor, about: 'list the catalogue; check, try and begin pattern files' },
}

const help = `faultline ${version}: recognises known failures in logs, finds the root cause, says how to recover

${Object.entries(commands)
  .map(([name, { about }]) => `  faultline ${name.padEnd(10)}${about}`)
  .join('\n')}

  faultline COMMAND --help    more about a command
`

/** Exit codes: 0 done, 1 something was found, 2 wrong usage, configuration or input, 130 interrupted. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(help)
    return name === undefined ? 2 : 0
  }
  if (name === '--version') {
    process.stdout.write(`${version}\n`)
    return 0
  }
  const command = commands[name]
  if (!command) throw new UsageError(`"${name}" is not one of ${Object.keys(commands).join(', ')}`)
  if (args.includes('--help')) {
    process.stdout.write(typeof command.help === 'string' ? command.help : command.help(args))
    return 0
  }
  return command.run(args)
}

// A reader that has seen enough, such as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.once('SIGINT', () => {
  // A service stops by itself; other commands have nothing to tidy.
  if (process.argv[2] !== 'serve') process.exit(130)
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const expected = [UsageError, ConfigError, StoreError, PatternFolderError].some((kind) => error instanceof kind)
  const message = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error)
  process.stderr.write(`faultline: ${message}\n`)
  if (error instanceof UsageError) process.stderr.write('Try --help.\n')
  process.exitCode = 2
}

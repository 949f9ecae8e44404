import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { bundledPatterns, loadPatterns } from '../app.js'
import { checkCatalog } from '../catalog/check.js'
import type { Catalog, FailureType } from '../catalog/compile.js'
import { parseConfig } from '../config/config.js'
import { problemToWire, typeToWire } from '../server/wire.js'
import { readArguments, UsageError } from './arguments.js'
import { backtest, backtestHelp } from './backtest.js'
import { configHere } from './config-file.js'
import { newPattern, newPatternHelp } from './new-pattern.js'
import { counted, sayProblem } from './print.js'

const patternsHelp = `faultline patterns list [--json] [--patterns DIR …] [--no-bundled]
faultline patterns check [--json] DIR
faultline patterns backtest [options] FILE --against GLOB …
faultline patterns new [options] [TEXT|-]

list      the failure types, their thresholds and where each number comes from
check     reads a folder of pattern files as the service would, and says what is wrong: shape, expressions, examples, names.
          Exit code 1 when something is. Warnings, which do not change it: cost, examples that another pattern takes, patterns
          that never win, texts that name a value no pattern captures.
backtest  what the patterns of a file would have raised over logs, and when
new       begins a family file from a log line

"faultline patterns backtest --help" and "… new --help" say more.
`

const helpOf: Readonly<Record<string, string>> = { backtest: backtestHelp, new: newPatternHelp }

/** The help of one of the actions, or of all. */
export const patternsHelpFor = ([action = '']: readonly string[]): string => helpOf[action] ?? patternsHelp

/** Lists the catalogue, or checks a folder of pattern files. */
export async function patterns(args: readonly string[]): Promise<number> {
  const [action, ...rest] = args
  if (action === 'list') return list(rest)
  if (action === 'check') return check(rest)
  if (action === 'backtest') return backtest(rest)
  if (action === 'new') return newPattern(rest)
  throw new UsageError(
    action === undefined
      ? 'patterns: list, check, backtest or new is expected'
      : `patterns: "${action}" is not one of list, check, backtest, new`,
  )
}

const out = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

async function list(args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, {
    json: { type: 'boolean', default: false },
    patterns: { type: 'string', multiple: true },
    'no-bundled': { type: 'boolean', default: false },
  })
  const config = configHere(values.patterns)
  const catalog = await loadPatterns(config, { bundled: !values['no-bundled'] }).load()
  const types = [...catalog.types.values()].toSorted((a, b) => (a.type < b.type ? -1 : 1))
  if (values.json) for (const type of types) out(JSON.stringify(typeToWire(type, catalog.patterns)))
  else for (const type of types) out(row(type, catalog))
  return 0
}

function row({ type, severity, threshold, family }: FailureType, { patterns: all }: Catalog): string {
  const count = all.filter((pattern) => pattern.type === type && !pattern.recovers).length
  const limit = `${threshold.count} in ${threshold.windowMs / 60_000} min`
  return (
    `${type.padEnd(34)} ${severity.padEnd(9)} ${limit.padEnd(13)} (${threshold.from})`.padEnd(78) +
    ` ${String(count).padStart(3)} patterns  ${family}`
  )
}

async function check(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { json: { type: 'boolean', default: false } })
  const [folder, ...others] = positionals
  if (folder === undefined || others.length > 0) throw new UsageError('patterns check: one folder is expected')
  const path = resolve(folder)
  if (statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`patterns check: ${folder} is a file; name its folder`)
  const config = parseConfig({
    environment: process.env,
    flags: { patterns: path === bundledPatterns ? [] : [path] },
  })
  const catalog = await loadPatterns(config, { bundled: true }).load()
  const own = catalog.problems.filter(({ file }) => file.startsWith(`${path}/`))
  const checked = catalog.patterns.filter(({ file }) => file.startsWith(`${path}/`))
  const warnings = checkCatalog(catalog, (file) => file.startsWith(`${path}/`))
  if (values.json) {
    for (const problem of own) out(JSON.stringify({ level: 'error', ...problemToWire(problem) }))
    for (const warning of warnings) out(JSON.stringify({ level: 'warning', ...problemToWire(warning) }))
  } else {
    for (const problem of own) out(sayProblem(problem))
    for (const warning of warnings) out(`warning: ${sayProblem(warning)}`)
    out(
      `${counted(checked.length, 'good pattern')}, ${counted(own.length, 'problem')}, ${counted(warnings.length, 'warning')}`,
    )
  }
  if (own.length + checked.length === 0) process.stderr.write(`faultline: ${folder} holds no patterns\n`)
  // A folder without patterns is most often the wrong folder.
  return own.length > 0 || checked.length === 0 ? 1 : 0
}

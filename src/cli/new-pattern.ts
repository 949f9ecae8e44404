import { existsSync, writeFileSync } from 'node:fs'
import { compileCatalog } from '../catalog/compile.js'
import { draftFamily } from '../catalog/draft.js'
import { proveExamples } from '../catalog/examples.js'
import { sayIssues } from '../catalog/pattern-files.js'
import { exampleCharactersMax, Family } from '../catalog/schema.js'
import { decodeText } from '../lines/decode.js'
import { readArguments, textArgument, UsageError } from './arguments.js'

export const newPatternHelp = `faultline patterns new [options] [TEXT|-]

Begins a family file from a log line or record: a pattern that matches it, with what changes from line to line captured by name, the
line as its example, and the headings of the explanation. Without a text, or with -, standard input is read. Fill in what says TODO.

  --family NAME       the family, lower-case words joined by "-" (default my-service)
  --type TYPE         the failure type (default: from the line's words)
  --out FILE          write there, if there is no such file yet, instead of to standard output
`

/** Prints a family file that \`patterns check\` accepts. */
export async function newPattern(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    family: { type: 'string', default: 'my-service' },
    type: { type: 'string' },
    out: { type: 'string' },
  })
  const text = (await textArgument(positionals, 'patterns new')).replace(/\r?\n$/, '')
  if (text.length > exampleCharactersMax)
    throw new UsageError(
      `patterns new: the text has ${text.length} characters, and an example may have ${exampleCharactersMax}; paste the one record`,
    )
  const decoded = decodeText(text, { hints: { toUtcMs: () => 0, arrivalMs: Date.now() }, redact: (each) => each })
  const family = draftFamily(decoded, text, { family: values.family, type: values.type })
  const { success, error } = Family.safeParse(family)
  if (!success) throw new UsageError(`patterns new: ${sayIssues(error).join('; ')}`)
  const { problems } = proveExamples(
    compileCatalog(
      {
        families: [{ file: 'the draft', folder: 0, family }],
        topology: { components: {} },
        cascades: [],
        problems: [],
      },
      { groups: {}, overrides: {} },
    ),
  )
  if (problems.length > 0)
    throw new UsageError(
      `patterns new: no pattern can be made of this text: ${problems.map(({ message }) => message).join('; ')}`,
    )
  const json = `${JSON.stringify(family, null, 2)}\n`
  if (values.out === undefined) process.stdout.write(json)
  else if (existsSync(values.out)) throw new UsageError(`--out: ${values.out} is there already`)
  else {
    writeFileSync(values.out, json)
    process.stderr.write(
      `faultline: wrote ${values.out}; fill in what says TODO, then: faultline patterns check FOLDER\n`,
    )
  }
  return 0
}

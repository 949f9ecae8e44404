import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { createTextDetector, type TextDetector } from '../src/correlate/text.js'
import { bundledCatalog, noon } from './support/core.js'

/** What real libraries printed; `fixtures/make` has the scripts that made them print it. */
type Recorded = Readonly<{ id: string; label: string; also: readonly string[]; text: string }>

const folder = fileURLToPath(new URL('../fixtures/records', import.meta.url))
const recorded = (file: string): Recorded[] =>
  readFileSync(`${folder}/${file}`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Recorded)

let detect: TextDetector
beforeAll(async () => {
  detect = createTextDetector(await bundledCatalog(), { redact: (text) => text })
})

const firstOf = (text: string): string =>
  detect(text, { source: 'file:/app.log', service: 'app', keys: {}, nowMs: noon })[0]?.type.type ?? 'NONE'

describe('what libraries print is recognised, and what they print in health is not', () => {
  test.each(readdirSync(folder))('%s', (file) => {
    const wrong = recorded(file)
      .map(({ id, label, also, text }) => ({ id, expected: [label, ...also], first: firstOf(text), text }))
      .filter(({ expected, first }) => !expected.includes(first))

    expect(
      wrong.map(({ id, expected, first, text }) => `${id}: ${expected[0]}, not ${first}: ${text.slice(0, 120)}`),
    ).toEqual([])
  })
})

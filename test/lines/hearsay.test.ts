import { describe, expect, test } from 'vitest'
import { decodeText } from '../../src/lines/decode.js'
import { hearsay } from '../../src/lines/hearsay.js'

const plainly = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text: string) => text }
const failure = 'QueuePool limit of size 5 overflow 10 reached'

/** What is said of the failure's text in a decoded log line. */
function said(text: string): string | undefined {
  const decoded = decodeText(text, plainly)
  const at = decoded.text.indexOf(failure)
  const line = decoded.lines.findLast((each) => each.at <= at)
  if (at < 0 || !line) throw new Error('the text does not hold the failure')
  return hearsay(line, at - line.at)
}

describe('a line that only talks about a failure', () => {
  test.each([
    ['a test that runs', ` ✓ pool.test.ts > ${failure} 3ms`],
    ['a test that runs', `ok 12 - ${failure}`],
    ['a test that runs', `tests/test_pool.py::test_limit PASSED - ${failure}`],
    ['a test that runs', `--- PASS: TestPool/${failure} (0.00s)`],
    ['a test that runs', `test_limit (tests.PoolTest) ... ${failure}`],
    ['a chat message', JSON.stringify({ role: 'user', content: `why do I see ${failure}?` })],
    ['a chat message', JSON.stringify({ level: 'info', msg: `I see ${failure}`, role: 'user' })],
    ['a chat message', JSON.stringify({ level: 'info', msg: 'completion', prompt: `explain: ${failure}` })],
    ['a chat message', `2026-11-21 10:00:00 INFO chat user asked: ${failure}`],
    ['a request for a page', `10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /?q=${failure} HTTP/1.1" 404 12`],
    ['a request for a page', `10.0.0.1 "GET / HTTP/1.1" 200 12 "${failure}"`],
    ['a request for a page', JSON.stringify({ level: 'info', msg: 'request', path: `/search/${failure}` })],
    ['a line of source code', `    raise exc.TimeoutError("${failure}")`],
    ['a line of source code', `  throw new Error('${failure}')`],
    ['a line of source code', `      logger.error("${failure}")`],
    ['a chat message', `2026-11-21 10:00:00 INFO [agent] observation: documents about ${failure}`],
    ['a document', `search q="${failure}" hits=18 took=12ms`],
    ['a document', `msgid "${failure}"`],
    ['a change that is described', `- Fixed ${failure} when transactions roll back`],
    ['a line of source code', `assert "${failure}" not in caplog.text`],
    ['an alert that has ended', `[resolved] ${failure}`],
    ['a help text', `  --pool-timeout SECONDS  ${failure}`],
    ['a change that is described', `3f2a91c fix: ${failure}`],
    ['a statement or command that is quoted', `LOG:  statement: INSERT INTO notes VALUES ('${failure}')`],
    ['a statement or command that is quoted', `Nov 21 10:00:00 web-1 sudo: bob : COMMAND=/usr/bin/grep '${failure}'`],
  ])('is %s: %s', (reason, text) => {
    expect(said(text)).toBe(reason)
  })
})

describe('a line that has a failure', () => {
  test.each([
    ['a plain line', `2026-11-21 10:00:00 ERROR ${failure}`],
    ['an exception in a traceback', `Traceback (most recent call last):\n    raise X("a")\nTimeoutError: ${failure}`],
    [
      'a message before the chat it failed in',
      JSON.stringify({ level: 'error', msg: failure, messages: [{ role: 'user' }] }),
    ],
    ['an account with a role', JSON.stringify({ level: 'warn', msg: `login failed: ${failure}`, role: 'user' })],
    ['an upstream error that quotes its request', `[error] 1#1: *1 ${failure}, request: "GET / HTTP/1.1"`],
    ['a server error in an access log', `10.0.0.1 - - [21/Nov/2026] "GET / HTTP/1.1" 500 12 "${failure}"`],
    ['a shell that says its name', `-bash: ${failure}`],
    ['a bundler that marks an error', `✘ [ERROR] ${failure}`],
  ])('%s: %s', (_, text) => {
    expect(said(text)).toBeUndefined()
  })
})

describe('a line that has a failure, though its words are those of talk', () => {
  test.each([
    `import job 12 aborted: ${failure}`,
    `import of customers.csv failed: ${failure}`,
    `2026-11-21 10:00:00 ERROR chat message could not be stored: ${failure}`,
    `2026-11-21 10:00:00 ERROR saving customer message: ${failure}`,
    `2026-11-21 10:00:00 ERROR failed to load user: "bob": ${failure}`,
    `2026-11-21 10:00:00 ERROR node role=user-db state=down: ${failure}`,
    `2026-11-21 10:00:00 ERROR could not load system prompt, role=system: ${failure}`,
    `if this persists, restart: ${failure}`,
    `if upload: ${failure}`,
    `RESOLVED address 10.0.0.5 but ${failure}`,
    JSON.stringify({ level: 'error', request: `GET /x failed: ${failure}`, msg: 'x' }),
  ])('%s', (text) => {
    expect(said(text)).toBeUndefined()
  })
})

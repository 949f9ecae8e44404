import { levels, type DecodedLine } from './decode.js'

/**
 * Lines that talk about a failure without having one: a test's name, a chat message, a help text, a request for a page
 * about errors, the source line that a traceback shows. Every pattern would need the same exceptions, so they stand here, once.
 * Decided by the line in which a match begins, so that nothing waits for the rest of a record.
 */

// Every expression here is linear in a line's length: anchored, or begun by a literal, with no two repeats side by side over the same characters.

/** What a rule sees: the printed line around the match, where in it the match begins, and the whole decoded line. */
type Place = Readonly<{ printed: string; at: number; line: DecodedLine; field: string | undefined }>

const testRun =
  /^\s*(?:[|>│]\s*)?(?:[✓✔√✗✘✕×❯](?! \[ERROR\])|(?:not )?ok \d+\b|=== (?:RUN|PAUSE|CONT|NAME)\b|--- (?:PASS|FAIL|SKIP):|(?:PASS|FAIL) +\S+\.(?:test|spec)\.|\w+_test\.go:\d+: )|\bPASSED\b|^(?:FAILED|ERROR|SKIPPED|XFAIL) \S+\.py::|\.py::\S+ (?:FAILED|SKIPPED|XFAIL)|^test_?\w* \([\w.]+\)(?: \.\.\.|$)| \.\.\. (?:ok|FAILED|ERROR|ignored|skipped\b.*)$|\.(?:test|spec)\.[cm]?[jt]sx? > /

const chatBefore =
  /\brole["']?[=:] ?["']?(?:user|assistant|system)\b(?!-)|\b(?:[Uu]ser|[Cc]hat|[Aa]ssistant|[Cc]ustomer) (?:said|asks?|asked|wrote|replied|message(?:[:=] ?["']| from\b))|\b(?:User|Human|Assistant|Customer): "|^(?:>+ ?)?(?:user|human|assistant|Q|A): |\b(?:how (?:do|can|to) (?:I|we|you|fix|solve)|what does)\b|\b(?:thought|observation|final answer): |\baction: \w+\(/
const chatRole = /^role=(?:user|assistant|human)$|["']role["']: ?["'](?:user|assistant|human)["']/m
const chatFields =
  /^(?:prompt|question|user_?(?:message|input|query|prompt)|chat_?message|messages|completion|conversation)$/i

const request = /"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT) [^"]*"(?: (\d{3})\b)?/g
const requestLine = /^request=[A-Z]+ \S+ HTTP\/[\d.]+$/
const requestFields =
  /^(?:path|uri|request_uri|referr?er|http_referr?er|user_?agent|http_user_agent|query_string|http\.target)$/i

const sourceCode =
  /^\s*(?:\d+ *\| *|> *\d+ *\| *|[+-] *)?(?:(?:raise|throw) (?:new )?[\w.]+(?:\(|$)|(?:return|await) (?:new )?[\w.]+\(.*[;({,)]\s*$|(?:self\.|this\.)?(?:_?logger|log|logging|console)\.\w+\(|(?:\} )?catch \(|except [\w.(][^"']*:\s*$|rescue [\w:]+(?: |$)|(?:el)?if (?:[("'!]|not |[\w.]+(?:\([^)]*\))? (?:in|==|!=|===|is|not|>|<) )|case [\w.]+:|from \S+ import \w|import (?:\{|\* as |\w+ from |[\w.*]+(?: as \w+)?;?\s*$)|(?:const|let|var) [\w{][^=]*= |def \w+\(|class \w+\(|(?:expect|describe|it)\(|assert(?:\w*\(| )|#define |\/\/ |\/\*)/
const helpText = /^\s*(?:-\w,? |--[a-z][\w-]+(?:[ =,<[]|$))/
const commit =
  /^\s*(?:\* |commit )?[0-9a-f]{7,40}:? (?:\([^)]*\) )?(?:Merge|Revert|Bump|[Ff]ix(?:e[sd])?|[Hh]andled?|[Aa]dd(?:s|ed)?|feat|chore|docs|test|refactor|ci|build|perf|style)\b|^\s*[-*] (?:(?:fix|feat|chore|docs|test|refactor|perf)(?:\([^)]*\))?!?: |(?:Fix(?:ed|es)?|Add(?:ed|s)?|Changed?|Removed?|Handle[ds]?|Improved?) )/
const statement =
  /\b(?:LOG|DEBUG): {1,2}(?:duration: [\d.]+ ms {1,2})?(?:statement|execute [^:]*): |^\[parameters: | CMD \(|\bCOMMAND=|\bSTATEMENT: |\bgrep (?:-\w+ )*|\bsqlalchemy\.engine|^##\[(?:group|command)\]/
const ended =
  /\[(?:RESOLVED|RECOVERED|[Rr]esolved|[Rr]ecovered)\]|\bRESOLVED: |\b(?:retry succeeded|succeeded (?:after|on) (?:a |the )?(?:retry|attempt))/

/** Files that people read, where a log shows them: tables, message catalogues, rules of monitors, settings. */
const document =
  /^\s*\|.*\|\s*$|^\s*"[\w-]+(?:\.[\w-]+)+": "[^"]*",?\s*$|^[a-z][\w-]*(?:\.[\w-]+)+=[A-Z]|^\s*<string name=|^(?:\s+|\s*- )(?:alert|expr|summary|description|title): |^\s*(?:msgid|msgstr) "|^\s+- ["']?[\w ]+["']?$|^\s*[\w.-]+ = \[|^\s*['"]?\w+['"]?: \{ ?(?:description: |type: (?:object|string|array|integer|boolean|number)\b)/
const publication =
  /\b(?:commit message|code review|review comment|comment|transcript|survey|rss item|dataset row|lesson|tutorial|blog|article|user story|ticket|issue|subject|document|FAQ)\b[^"]*"[^"]*$|\bcommit [0-9a-f]{7,40}\b|\bticket [A-Z]+-\d+ /i
/** Fields that hold what people wrote. */
const writtenFields =
  /^(?:q|query|search|text|titles?|subject|content|summary|caption|comments?|notes?|answer|resolution|lesson|topic|headline|label|commit_message|changelog|docstring|usage|help|test_name|testcase|[\w.]+\.title)$/i
/** The field, in JSON or logfmt that is no log record, whose quoted value a place is in. */
const quotedField = /(?:^|[\s{,([])["']?([\w.]+)["']?\s*[:=]\s*[[{(]?(?:[^"]*, ?)?"[^"]*$/

const rules: readonly { reason: string; applies: (place: Place) => boolean }[] = [
  { reason: 'a test that runs', applies: ({ printed }) => testRun.test(printed) },
  { reason: 'a chat message', applies: isChat },
  { reason: 'a request for a page', applies: isRequest },
  { reason: 'a line of source code', applies: ({ printed }) => sourceCode.test(printed) },
  { reason: 'a help text', applies: ({ printed }) => helpText.test(printed) },
  { reason: 'a change that is described', applies: ({ printed }) => commit.test(printed) },
  {
    reason: 'a statement or command that is quoted',
    applies: ({ printed, at }) => statement.test(printed.slice(0, at)),
  },
  { reason: 'an alert that has ended', applies: ({ printed }) => ended.test(printed) },
  { reason: 'a document', applies: isDocument },
]

/**
 * Why what a line says at a place is hearsay: "a test that runs", "a chat message" …; undefined when it is not.
 * @param line the decoded line in which a match begins
 * @param at where in the line's text it begins
 */
export function hearsay(line: DecodedLine, at: number): string | undefined {
  const { text } = line
  const from = text.lastIndexOf('\n', at - 1) + 1
  const to = text.indexOf('\n', at)
  const place = { printed: text.slice(from, to < 0 ? undefined : to), at: at - from, line, field: fieldAt(text, at) }
  return rules.find(({ applies }) => applies(place))?.reason
}

/** Decoding prints a JSON record's fields as `name=value`, each on lines of its own. */
function fieldAt(text: string, at: number): string | undefined {
  let field: string | undefined
  for (const [, name] of text.slice(0, at + 1).matchAll(/^([\w.]+)=/gm)) field = name
  return field
}

/** Nobody logs a chat or a title as a warning. */
const isCalm = ({ level }: DecodedLine): boolean =>
  level === undefined || levels.indexOf(level) <= levels.indexOf('info')

function isChat({ printed, at, line, field }: Place): boolean {
  if (field !== undefined && chatFields.test(field)) return true
  if (isCalm(line) && chatBefore.test(printed.slice(0, at))) return true
  // "role" is also what an account has.
  return isCalm(line) && chatRole.test(line.text)
}

function isDocument({ printed, at, line, field }: Place): boolean {
  if (!isCalm(line)) return false
  const before = printed.slice(0, at)
  // A match may begin with the quotation mark.
  const inside = field ?? quotedField.exec(printed.slice(0, at + 1))?.[1]
  return (
    document.test(printed) ||
    publication.test(before) ||
    (inside !== undefined && (writtenFields.test(inside) || chatFields.test(inside)))
  )
}

/** Inside the request line of an access log; or anywhere in one whose request went well. */
function isRequest({ printed, at, field }: Place): boolean {
  if (field !== undefined && requestFields.test(field)) return true
  if (field === 'request' && requestLine.test(printed)) return true
  return [...printed.matchAll(request)].some(
    ({ 0: found, 1: status, index }) =>
      (at >= index && at < index + found.length - (status === undefined ? 0 : 4)) ||
      (status !== undefined && Number(status) < 400),
  )
}

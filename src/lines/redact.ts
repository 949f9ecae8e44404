/** Secrets leave the text before anything is captured from it, so that no field, key or note can hold one. */

export type Redaction = Readonly<{ name: string; match: RegExp }>

/**
 * Each expression's last group `secret` is what is taken out; what stands before it stays, so that people see what it was.
 * The sources are the providers' published key formats.
 */
const secretWord = '(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token)'
const notYet = String.raw`(?!\[redacted)`

const builtIn: readonly Redaction[] = [
  {
    name: 'private-key',
    match: /(?<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))/g,
  },
  // A token has a digit, a capital or padding in it; "basic authentication" has none.
  { name: 'bearer', match: /(?<=\b(?:[Bb]earer|[Bb]asic)\s)(?=\S*[\dA-Z=])(?<secret>[A-Za-z0-9._~+/=-]{12,})/g },
  { name: 'api-key', match: /\b(?<secret>sk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{16,})/g },
  { name: 'github-token', match: /\b(?<secret>(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}))/g },
  { name: 'aws-key', match: /\b(?<secret>(?:AKIA|ASIA)[0-9A-Z]{16})\b/g },
  { name: 'slack-token', match: /\b(?<secret>xox[abprs]-[A-Za-z0-9-]{10,})/g },
  { name: 'google-key', match: /\b(?<secret>AIza[0-9A-Za-z_-]{35})/g },
  { name: 'jwt', match: /\b(?<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g },
  // Up to the last @ of the authority: a password may hold one.
  {
    name: 'url-password',
    match: /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"']{0,64}:)(?!\[redacted)(?<secret>[^\s/"']{1,256})(?=@)/g,
  },
  ...[
    // JSON inside JSON, quoted, and bare; after ": " a bare value needs a digit, or prose would be taken for one.
    String.raw`(?<=${secretWord}\\"\s?:\s?\\")${notYet}(?<secret>[^"\\]{1,512})`,
    String.raw`(?<=${secretWord}["']?\s?[=:]\s?)(?<quote>["'])${notYet}(?<secret>(?:(?!\k<quote>).){1,512})\k<quote>`,
    String.raw`(?<=${secretWord}(?:\s?=\s?|:))${notYet}(?<secret>[^\s"',;&)}\]\\]{4,})`,
    String.raw`(?<=${secretWord}:\s)${notYet}(?=\S*\d)(?<secret>[^\s"',;&)}\]\\]{4,})`,
  ].map((source) => ({ name: 'password', match: new RegExp(source, 'gi') })),
]

/** Cheap signs that a redaction may apply; most records hold none of them and are not searched further. */
const signs =
  /-----BEGIN|earer |asic |sk-|gh[pousr]_|github_pat_|AKIA|ASIA|xox|AIza|eyJ|:\/\/[^\s/]*:|passw|pwd|secret|api[_-]?key|token/i

/** A function that replaces secrets by `[redacted:NAME]`. `extra` is the user's own list. */
export function createRedact(extra: readonly Redaction[] = []): (text: string) => string {
  const replace = (text: string, { name, match }: Redaction): string =>
    text.replace(match, (...found: unknown[]) => {
      const groups = found.at(-1)
      const whole = String(found[0])
      const secret = typeof groups === 'object' ? (groups as Record<string, string>)['secret'] : undefined
      const hidden = secret ?? whole
      // What is named comes before its value, so of two equal texts the last is the secret.
      const at = whole.lastIndexOf(hidden)
      return `${whole.slice(0, at)}[redacted:${name}]${whole.slice(at + hidden.length)}`
    })
  return (text) => {
    const clean = signs.test(text) ? builtIn.reduce(replace, text) : text
    return extra.reduce(replace, clean)
  }
}

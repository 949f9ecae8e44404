import type { Catalog, FailureType } from '../catalog/compile.js'
import { createMatcher } from '../catalog/matcher.js'
import { digest } from '../detect/detector.js'
import { componentOf, fillCaptures, openFailure, type Match } from '../detect/failure.js'
import { decodeText } from '../lines/decode.js'
import { explainFailure, type Explanation } from './explain.js'
import { createTopology } from './topology.js'

/** What one text shows, whatever the thresholds. */
export type Detection = Readonly<{
  type: FailureType
  component: string
  message: string
  /** The same as a match, for those who want it counted. */
  match: Match
}>

export type TextDetector = (text: string, origin: TextOrigin) => Detection[]

/** Where a text came from, when it came, and what is known of it besides. */
export type TextOrigin = Readonly<{
  source: string
  service: string
  keys: Readonly<Record<string, string>>
  nowMs: number
}>

/** What a detection means and what to do, as if it had raised its failure. */
export function explainDetection({ type, component, match }: Detection, catalog: Catalog): Explanation {
  const sightings = [{ atMs: match.atMs, origin: match.identity }]
  return explainFailure(openFailure({ id: '', key: '', match, type, component, sightings }), catalog)
}

const textCharactersMax = 8192

/** Detects failures in texts, each of which is one record: the same decoding and matching as for the lines of a log. */
export function createTextDetector(catalog: Catalog, { redact }: { redact: (text: string) => string }): TextDetector {
  const matcher = createMatcher(catalog)
  const topology = createTopology(catalog.topology)
  return (text, { source, service, keys, nowMs }) => {
    const decoded = decodeText(text, { hints: { toUtcMs: () => 0, arrivalMs: nowMs }, redact })
    const known = { service: decoded.service ?? service, source }
    return matcher.record(decoded, known).flatMap(({ type: name, pattern, captures }) => {
      const type = catalog.types.get(name)
      if (!type || pattern.recovers) return []
      const match: Match = {
        type: name,
        patternId: pattern.id,
        confidence: pattern.confidence,
        message: pattern.message,
        captures,
        service: known.service,
        keys: { ...decoded.keys, ...keys },
        source,
        identity: digest(text),
        position: 0,
        atMs: nowMs,
        arrivedMs: nowMs,
        evidence: {
          text: decoded.text.slice(0, textCharactersMax),
          before: [],
          after: [],
          cut: decoded.text.length > textCharactersMax,
        },
      }
      const component = componentOf(type, match, (each) => topology.componentOf(each))
      return [{ type, component, message: fillCaptures(pattern.message ?? type.title, captures), match }]
    })
  }
}

/** When something happened, as its record, or the one before it, or its arrival says. */

export type Dated = Readonly<{ atMs: number; arrivedMs: number }>

const minuteMs = 60_000
/** A record's own time may be ahead of its arrival by this much; more is a wrong clock. */
const aheadMsMax = 5 * minuteMs
/** No log is older than this; it is what an unset clock shows. */
const plausibleFromMs = Date.UTC(2000, 0, 1)
/** A record without a time has that of the record before it, if that one came as recently as this. */
const previousMsMax = 5 * minuteMs

/**
 * The time a record counts at: its own if that can be, else the previous record's if that is recent, else its arrival.
 * @returns `own`: it is the record's own, and may move a clock
 */
export function eventTime({
  ownMs,
  previous,
  arrivalMs,
}: {
  ownMs: number | undefined
  previous: Dated | null
  arrivalMs: number
}): { atMs: number; own: boolean } {
  if (ownMs !== undefined && ownMs >= plausibleFromMs && ownMs <= arrivalMs + aheadMsMax)
    return { atMs: ownMs, own: true }
  const recent = previous && arrivalMs - previous.arrivedMs <= previousMsMax
  return { atMs: recent ? previous.atMs : arrivalMs, own: false }
}

/** A line through points by least squares. */
export interface Slope {
  /** Units of y a second. */
  readonly perSecond: number
  /** How many standard errors the slope is away from 0. */
  readonly t: number
  readonly mean: number
  /** As many points that know nothing of each other would say as much. */
  readonly worth: number
  /** Seconds from the first to the last point. */
  readonly seconds: number
}

export interface Point {
  /** Seconds. */
  readonly at: number
  readonly value: number
}

/**
 * What is cleared from time to time (garbage, dead rows) goes up and down slowly, so neighbouring points resemble each other and
 * say less than their number: the standard error counts them by the correlation of neighbours, n (1 - r) / (1 + r).
 */
export function slopeOf(points: readonly Point[]): Slope {
  const n = points.length
  const meanX = points.reduce((sum, { at }) => sum + at, 0) / n
  const mean = points.reduce((sum, { value }) => sum + value, 0) / n
  let xx = 0
  let xy = 0
  for (const { at, value } of points) {
    xx += (at - meanX) ** 2
    xy += (at - meanX) * (value - mean)
  }
  const perSecond = xx === 0 ? 0 : xy / xx
  const off = points.map(({ at, value }) => value - mean - perSecond * (at - meanX))
  const rest = off.reduce((sum, one) => sum + one ** 2, 0)
  const alike = off.reduce((sum, one, i) => sum + one * (off[i - 1] ?? 0), 0) / (rest || 1)
  const r = Math.min(0.99, Math.max(0, alike))
  const worth = (n * (1 - r)) / (1 + r)
  const error = worth > 2 && xx > 0 ? Math.sqrt(rest / (worth - 2) / xx) : Infinity
  const t = error === 0 ? (perSecond === 0 ? 0 : Infinity) : perSecond / error
  return { perSecond, t, mean, worth, seconds: (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0) }
}

/** Growth over the measured time that counts as none, as a share of the mean. */
export const SLACK = 0.1
/** Standard errors below which a slope cannot be told from noise. */
export const NOISE = 2.6

/** Does it grow? Only upwards counts, only beyond noise, and only when it comes to more than a tenth of the mean over the run. */
export function grows({ perSecond, t, mean, seconds }: Slope): boolean {
  return t > NOISE && perSecond * seconds > SLACK * Math.abs(mean)
}

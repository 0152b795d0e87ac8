/** A line through points by least squares. */
export interface Slope {
  /** Units of y a second. */
  readonly perSecond: number
  /** How many standard errors the slope is away from 0. */
  readonly t: number
  readonly mean: number
  /** Seconds from the first to the last point. */
  readonly seconds: number
}

export interface Point {
  /** Seconds. */
  readonly at: number
  readonly value: number
}

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
  const rest = points.reduce((sum, { at, value }) => sum + (value - mean - perSecond * (at - meanX)) ** 2, 0)
  const error = n > 2 && xx > 0 ? Math.sqrt(rest / (n - 2) / xx) : 0
  const t = error === 0 ? (perSecond === 0 ? 0 : Infinity) : perSecond / error
  return { perSecond, t, mean, seconds: (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0) }
}

/** The lowest point of each stretch of so many seconds: what is cleared away from time to time leaks by its low points. */
export function lows(points: readonly Point[], seconds: number): readonly Point[] {
  const lowest = new Map<number, Point>()
  for (const point of points) {
    const stretch = Math.floor(point.at / seconds)
    const known = lowest.get(stretch)
    if (known === undefined || point.value < known.value) lowest.set(stretch, point)
  }
  return [...lowest.values()]
}

/** Growth over the measured time that counts as none, as a share of the mean. */
export const SLACK = 0.1
/** Standard errors below which a slope cannot be told from noise. */
export const NOISE = 2.6

/** Does it grow? Only upwards counts, only beyond noise, and only when it comes to more than a tenth of the mean over the run. */
export function grows({ perSecond, t, mean, seconds }: Slope): boolean {
  return t > NOISE && perSecond * seconds > SLACK * Math.abs(mean)
}

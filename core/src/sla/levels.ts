/** The level at which a clock is late. Armed on every clock. */
export const BREACH = '100%'

const LEVEL = /^(?:([1-9]\d?|100)%|\+([1-9]\d{0,3})m)$/

/** `75%` of the target, or `+15m` after it; both in time of the clock's calendar. */
export function isLevel(text: string): boolean {
  return LEVEL.test(text)
}

/** A level before the target: word that it will be late soon. */
export function isWarning(level: string): boolean {
  return level.endsWith('%') && level !== BREACH
}

/** Seconds of calendar time after which a level fires. */
export function secondsOf(level: string, targetS: number): number {
  const [, percent, minutes] = LEVEL.exec(level) ?? []
  return percent === undefined ? targetS + Number(minutes ?? 0) * 60 : (targetS * Number(percent)) / 100
}

/** Without doubles, in the order of firing. */
export function sortLevels(levels: readonly string[], targetS: number): readonly string[] {
  return [...new Set(levels)].sort((a, b) => secondsOf(a, targetS) - secondsOf(b, targetS))
}

import { NOISE, SLACK, grows, slopeOf, type Point, type Slope } from './slope.js'
import { measures, type Measure } from './soak-samples.js'
import type { SoakResult } from './soak.js'

/** The first part of the run, while caches and heaps fill, is left out of the slopes. */
const WARM_UP = 0.25

/** Fewer points say nothing. */
const POINTS = 20
const WORTH = 4

/** Parts of the run, warm-up included, of which the mean is shown. */
const PARTS = 8

interface Line {
  readonly measure: Measure
  readonly slope: Slope
  readonly points: number
  readonly outcome: 'no slope' | 'GROWS' | 'too few points'
}

function linesOf({ samples, minutes }: SoakResult): readonly Line[] {
  return (Object.keys(measures) as Measure[]).map((measure) => {
    const points = samples.series[measure].filter(({ at }) => at > minutes * 60 * WARM_UP)
    const slope = slopeOf(points)
    const outcome =
      points.length < POINTS || slope.worth < WORTH ? 'too few points' : grows(slope) ? 'GROWS' : 'no slope'
    return { measure, slope, points: points.length, outcome }
  })
}

export function soakPassed(result: SoakResult): boolean {
  const { lost, doubled, inversions, phantom } = result.verdict
  return lost + doubled + inversions + phantom === 0 && linesOf(result).every((line) => line.outcome === 'no slope')
}

const number = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1))

/** What the value was like, part by part. */
function course(points: readonly Point[], minutes: number): string {
  const parts = Array.from({ length: PARTS }, (_, i) => {
    const own = points.filter(({ at }) => Math.min(PARTS - 1, Math.floor((at / (minutes * 60)) * PARTS)) === i)
    return own.length === 0 ? '-' : number(own.reduce((sum, { value }) => sum + value, 0) / own.length)
  })
  return parts.join(', ')
}

/** The tables that must not grow, the largest first: after the warm-up, at most, at the end. */
function largest({ samples }: SoakResult): string {
  const warm = samples.tables.slice(Math.floor(samples.tables.length * WARM_UP))
  const [first] = warm
  const last = warm.at(-1)
  if (first === undefined || last === undefined) return ''
  const most = (name: string): number => Math.max(...warm.map((sizes) => sizes[name] ?? 0))
  const names = Object.keys(last).toSorted((one, other) => most(other) - most(one))
  const rows = names.slice(0, 6).map((name) => `${name} ${first[name] ?? 0}, ${most(name)}, ${last[name] ?? 0}`)
  return `KB of the largest tables that must not grow, after the warm-up, at most, and at the end: ${rows.join('; ')}.`
}

/** For docs/reliability.md; also what is printed. */
export function soakPage(result: SoakResult): string {
  const { verdict, samples, minutes } = result
  const cells = linesOf(result).map(({ measure, slope, points, outcome }) => {
    const growth = slope.perSecond * slope.seconds
    const part = Number.isFinite(slope.t) ? slope.t.toFixed(1) : '-'
    return `| ${measures[measure]} | ${course(samples.series[measure], minutes)} | ${points} (${slope.worth.toFixed(0)}) | ${number(slope.mean)} | ${number(growth)} | ${part} | ${outcome} |`
  })
  const faults = result.faults.map(({ name, runs, recoveriesMs }) => {
    const worst = Math.max(...recoveriesMs) / 1_000
    return `| ${name} | ${runs} | ${worst.toFixed(1)} s |`
  })
  const kb = samples.grownBytes() / 1_024 / Math.max(1, result.messages)
  return [
    `${minutes} minutes, two nodes, ${result.rate.toFixed(0)} messages a second on average (at full speed ${result.fullRate.toFixed(0)} before); ` +
      `${verdict.events} events: lost ${verdict.lost}, doubled ${verdict.doubled}, inversions ${verdict.inversions}, phantom ${verdict.phantom}, ` +
      `unsure ${verdict.unsure}. The database grew by ${kb.toFixed(1)} KB a message. Result: **${soakPassed(result) ? 'passed' : 'failed'}**.`,
    '',
    `| measured every 10 s | means of ${(minutes / PARTS).toFixed(1)} minutes each | points | mean | growth over the run | standard errors | verdict |`,
    '|---|---|---|---|---|---|---|',
    ...cells,
    '',
    largest(result),
    '',
    '| fault, one a minute | runs | worst recovery |',
    '|---|---|---|',
    ...faults,
    '',
    `The first ${WARM_UP * 100} % of the run are warm-up. A value grows when its line by least squares rises by more than ${SLACK * 100} % of ` +
      `its mean over the run and by more than ${NOISE} standard errors. Neighbouring points resemble each other: in brackets as how many ` +
      'independent ones they count.',
  ].join('\n')
}

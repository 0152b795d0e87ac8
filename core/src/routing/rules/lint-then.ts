import type { Calendars } from '../../calendars/contract.js'
import { didYouMean } from '../../suggest.js'
import { pointerTo, type Json } from './json-source.js'
import type { RuleReport } from './report.js'

/** Names of the configuration that rule files may use. */
export interface KnownNames {
  /** Queue id → its overflow queue, or null. */
  readonly queues: ReadonlyMap<string, string | null>
  readonly skills: readonly string[]
  readonly teams: readonly string[]
  readonly calendars?: Calendars
}

export type Check = (value: Json, pointer: string, report: RuleReport, names: KnownNames) => void

const CEFR = ['A1', 'A2', 'B1', 'B2', 'C1', 'C2'] as const

export const text: Check = (value, pointer, report) => {
  if (typeof value !== 'string' || value === '' || value.length > 200)
    report.error(pointer, 'a text is expected here', 'Write 1 to 200 characters.')
}

export const flag: Check = (value, pointer, report) => {
  if (typeof value !== 'boolean') report.error(pointer, 'true or false is expected here', 'Write true or false.')
}

export function whole(min: number, max: number): Check {
  return (value, pointer, report) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return
    report.error(pointer, `a whole number from ${min} to ${max} is expected here`, 'Correct the number.')
  }
}

export function oneOf(...values: readonly string[]): Check {
  return (value, pointer, report) => {
    if (typeof value === 'string' && values.includes(value)) return
    const near = typeof value === 'string' ? didYouMean(value, values) : ''
    report.error(
      pointer,
      `one of ${values.join(', ')} is expected here${near}`,
      `Write "${values[0] ?? ''}" or another of them.`,
    )
  }
}

export function known(what: string, of: (names: KnownNames) => Iterable<string>): Check {
  return (value, pointer, report, names) => {
    const all = [...of(names)]
    if (typeof value === 'string' && all.includes(value)) return
    const shown = typeof value === 'string' ? `"${value.slice(0, 60)}"` : 'this'
    const near = typeof value === 'string' ? didYouMean(value, all) : ''
    report.error(
      pointer,
      `${shown} is not a ${what} of throughline.yaml${near}`,
      all.length === 0 ? `Define the ${what} there.` : `Defined: ${all.slice(0, 12).join(', ')}.`,
    )
  }
}

export function listOf(check: Check, max: number): Check {
  return (value, pointer, report, names) => {
    if (!Array.isArray(value)) return report.error(pointer, 'a list is expected here', 'Write [ … ].')
    if (value.length > max) report.error(pointer, `at most ${max} entries are allowed here`, 'Shorten the list.')
    value.forEach((item: Json, index) => check(item, pointerTo(pointer, index), report, names))
  }
}

export function mapOf(key: Check | null, check: Check): Check {
  return (value, pointer, report, names) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return report.error(pointer, 'an object is expected here', 'Write { … }.')
    for (const [name, item] of Object.entries(value as Readonly<Record<string, Json>>)) {
      const at = pointerTo(pointer, name)
      key?.(name, at, report, names)
      check(item, at, report, names)
    }
  }
}

/** Every key of the object must be listed. */
export function checkKeys(
  value: Json,
  pointer: string,
  report: RuleReport,
  fields: Readonly<Record<string, Check>>,
  names: KnownNames,
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return report.error(pointer, 'an object is expected here', 'Write { … }.')
  }
  for (const [name, item] of Object.entries(value as Readonly<Record<string, Json>>)) {
    const check = Object.hasOwn(fields, name) ? fields[name] : undefined
    const at = pointerTo(pointer, name)
    if (check !== undefined) check(item, at, report, names)
    else
      report.keyError(
        at,
        `"${name.slice(0, 60)}" is not known here${didYouMean(name, Object.keys(fields))}`,
        `Known: ${Object.keys(fields).join(', ')}.`,
      )
  }
}

export const queue = known('queue', (names) => names.queues.keys())
const skill = known('skill', (names) => names.skills)
const team = known('team', (names) => names.teams)

const stepFields: Readonly<Record<string, Check>> = Object.freeze({
  skills: mapOf(skill, whole(1, 10)),
  lang: mapOf(null, oneOf(...CEFR)),
  teams: listOf(team, 50),
  drop: listOf(skill, 50),
  seconds: whole(1, 604_800),
  overflow: queue,
  add_head_start_s: whole(-86_400, 86_400),
  translate: flag,
  skip_if: oneOf('logged_in==0', 'free==0'),
})

const routingFields: Readonly<Record<string, Check>> = Object.freeze({
  queue,
  priority: oneOf('urgent', 'high', 'normal', 'low'),
  head_start_s: whole(-86_400, 86_400),
  steps: listOf((value, pointer, report, names) => checkKeys(value, pointer, report, stepFields, names), 20),
  preferred: listOf(text, 10),
  sla_policy: text,
  tags: listOf(text, 20),
  tell_wait: flag,
})

/** The outcome of a routing rule: data only, names checked, no circle of queues. */
export function lintRoutingThen(then: Json, pointer: string, report: RuleReport, names: KnownNames): void {
  checkKeys(then, pointer, report, routingFields, names)
  const { queue: own, steps } = (then ?? {}) as { readonly queue?: unknown; readonly steps?: unknown }
  if (typeof own !== 'string' || !Array.isArray(steps)) return
  steps.forEach((step: unknown, index) => {
    const target = (step as { readonly overflow?: unknown } | null)?.overflow
    if (typeof target !== 'string') return
    const circle = wayBack(own, target, names)
    if (circle !== null) {
      const at = pointerTo(pointerTo(pointerTo(pointer, 'steps'), index), 'overflow')
      report.error(
        at,
        `overflow goes round in a circle: ${circle.join(' -> ')}`,
        'Overflow into a queue that does not lead back.',
        'TL_CONFIG_OVERFLOW_CYCLE',
      )
    }
  })
}

function wayBack(own: string, target: string, names: KnownNames): readonly string[] | null {
  const walk = [own]
  for (let at: string | null | undefined = target; at != null && walk.length < 100; at = names.queues.get(at)) {
    walk.push(at)
    if (at === own) return walk
  }
  return null
}

/** The outcome of a continuity rule. */
export function lintContinuityThen(then: Json, pointer: string, report: RuleReport, names: KnownNames): void {
  checkKeys(then, pointer, report, { action: oneOf('join', 'new') }, names)
  if (typeof then === 'object' && then !== null && !Array.isArray(then) && !('action' in then)) {
    report.error(pointer, 'the rule does not say what happens', 'Add "action": "join" or "action": "new".')
  }
}

import { pointerTo, type Json } from './json-source.js'
import {
  checkKeys,
  flag,
  known,
  listOf,
  mapOf,
  oneOf,
  queue,
  text,
  whole,
  type Check,
  type KnownNames,
} from './lint-then.js'
import type { RuleReport } from './report.js'

/** What sla.json and escalation.json may say. The clocks read it without checking again (core/src/sla/policy.ts). */

const REPLY_METRICS = ['first_reply', 'next_reply'] as const
const METRICS = [...REPLY_METRICS, 'periodic_update', 'requester_wait', 'agent_work', 'total_resolution'] as const
const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const
const KINDS = ['voice', 'webchat', 'messaging', 'sms', 'email', 'social'] as const
const UNITS = Object.freeze({ seconds: 1, minutes: 60, hours: 3600, days: 86_400 })
const LEVEL = /^(?:[1-9]\d?|100)%$|^\+[1-9]\d{0,3}m$/
/** Nobody can see further, and the calendar need not walk further. */
const MAX_TARGET_S = 366 * 86_400

type Fields = Readonly<Record<string, Json>>
const fieldsOf = (value: Json): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null

const level: Check = (value, pointer, report) => {
  if (typeof value === 'string' && LEVEL.test(value)) return
  report.error(pointer, 'a level is a share of the target or minutes after it', 'Write "75%", "100%" or "+15m".')
}

const calendar = known('calendar', (names) => names.calendars?.names ?? [])
const amount: Check = (value, pointer, report) => {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return
  report.error(pointer, 'a number above 0 is expected here', 'Correct the number.')
}

const rowFields: Readonly<Record<string, Check>> = Object.freeze({
  priority: listOf(oneOf(...PRIORITIES), 4),
  channel: listOf(oneOf(...KINDS), 6),
  tier: listOf(text, 20),
  seconds: amount,
  minutes: amount,
  hours: amount,
  days: amount,
  calendar,
})

/** A row promises some time, and no more than a year. */
const row: Check = (value, pointer, report, names) => {
  checkKeys(value, pointer, report, rowFields, names)
  const fields = fieldsOf(value)
  if (fields === null) return
  const seconds = Object.entries(UNITS).reduce((sum, [unit, factor]) => {
    const found = fields[unit]
    return sum + (typeof found === 'number' ? found * factor : 0)
  }, 0)
  const remedy = 'Write "minutes": 30, or seconds, hours, days; they add up.'
  if (!Object.keys(UNITS).some((unit) => unit in fields)) report.error(pointer, 'the row promises no time', remedy)
  else if (seconds > MAX_TARGET_S) report.error(pointer, 'a promise of more than a year', 'Promise at most 366 days.')
}

/** A row without conditions answers for all that follow. */
const table: Check = (value, pointer, report, names) => {
  listOf(row, 100)(value, pointer, report, names)
  if (!Array.isArray(value)) return
  const open = value.findIndex((item: Json) => {
    const fields = fieldsOf(item)
    return fields !== null && !['priority', 'channel', 'tier'].some((key) => key in fields)
  })
  if (open >= 0 && open < value.length - 1) {
    const remedy = 'Move the row without conditions to the end.'
    report.warning(pointerTo(pointer, open + 1), 'this row is never reached: the one before fits everything', remedy)
  }
}

const slaFields: Readonly<Record<string, Check>> = Object.freeze({
  calendar,
  targets: mapOf(oneOf(...METRICS), table),
  pause: mapOf(
    (value, pointer, report, names) => {
      if ((REPLY_METRICS as readonly unknown[]).includes(value)) {
        report.error(
          pointer,
          'reply clocks never pause by status',
          'Remove it; a snooze or pending does not stop them.',
        )
      } else oneOf(...METRICS.slice(2))(value, pointer, report, names)
    },
    listOf(oneOf('pending', 'snoozed'), 2),
  ),
  fulfil_by: listOf(oneOf('human', 'ai_agent'), 2),
  cross_channel_fulfil: flag,
  levels: listOf(level, 12),
})

/** The outcome of a policy. `"targets": {}` promises nothing: for spam, or for whom another contract holds. */
export function lintSlaThen(then: Json, pointer: string, report: RuleReport, names: KnownNames): void {
  checkKeys(then, pointer, report, slaFields, names)
  const fields = fieldsOf(then)
  if (fields !== null && !('targets' in fields)) {
    report.error(pointer, 'the policy promises nothing', 'Add "targets"; {} promises nothing on purpose.')
  }
}

const actionFields: Readonly<Record<string, Readonly<Record<string, Check>>>> = Object.freeze({
  notify: { to: listOf(text, 20) },
  head_start: { seconds: whole(1, 86_400) },
  reassign: { queue },
  raise_priority: { to: oneOf('urgent', 'high', 'normal') },
  webhook: { name: text },
})

const action: Check = (value, pointer, report, names) => {
  const fields = fieldsOf(value)
  const kinds = Object.keys(actionFields)
  if (fields === null)
    return report.error(pointer, 'an action is an object', 'Write { "do": "notify", "to": ["lead"] }.')
  const wanted = typeof fields['do'] === 'string' ? actionFields[fields['do']] : undefined
  if (wanted === undefined || typeof fields['do'] !== 'string' || !kinds.includes(fields['do'])) {
    return oneOf(...kinds)(fields['do'] ?? null, 'do' in fields ? pointerTo(pointer, 'do') : pointer, report, names)
  }
  checkKeys(value, pointer, report, { do: text, ...wanted }, names)
  for (const key of Object.keys(wanted)) {
    if (!(key in fields)) report.error(pointer, `"${fields['do']}" needs "${key}"`, `Add "${key}".`)
  }
}

/** The outcome of an escalation: what is done, in this order. */
export function lintEscalationThen(then: Json, pointer: string, report: RuleReport, names: KnownNames): void {
  checkKeys(then, pointer, report, { actions: listOf(action, 10) }, names)
  const fields = fieldsOf(then)
  if (fields !== null && !('actions' in fields)) {
    report.error(pointer, 'the rule does nothing', 'Add "actions": [ { "do": "notify", "to": ["lead"] } ].')
  }
}

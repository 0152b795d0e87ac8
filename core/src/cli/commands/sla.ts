import type { ClockView, SlaExplanation } from '../../sla/contract.js'
import type { Command, Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { argument, dateText, notFound, printList } from '../print.js'
import { withServices } from '../with-services.js'

export const sla: Command = {
  usage: 'sla explain <conversation> [--json]',
  summary: 'What was promised to a customer, how much of it is used, and why.',
  help: [
    'explain  every clock of the conversation with policy, target, calendar and due time, and what happened to it',
  ],
  actions: ['explain'],
  options: { json: { type: 'boolean' } },
  async run(invocation) {
    const id = argument(invocation, 1, 'the id of the conversation', 'sla explain <conversation>')
    return withServices(invocation, async (services) => {
      const found = await services.sla.explain(id)
      if (found === null) throw notFound(`conversation ${id}`, 'sla explain <conversation>')
      if (invocation.options['json'] === true) invocation.terminal.out(JSON.stringify(found, null, 2))
      else print(invocation, found)
      return exitCodes.ok
    })
  },
}

function print(invocation: Invocation, found: SlaExplanation): void {
  const { terminal } = invocation
  const waits =
    found.unansweredSince === null
      ? 'nobody waits for an answer'
      : `waiting for an answer since ${dateText(found.unansweredSince)}`
  terminal.out(`${found.status}, priority ${found.priority}, handled by ${found.handledBy}; ${waits}`)
  terminal.out('')
  const head = ['metric', 'state', 'target', 'used', 'due', 'calendar', 'policy']
  const none = 'No clock: no policy of rules/sla.json promises anything for this conversation.'
  printList(invocation, found.clocks, head, rowOf, none)
  for (const { metric, cycle, waiver } of found.clocks) {
    if (waiver !== null)
      terminal.out(`  ${dateText(waiver.at)}  waived         ${metric} ${cycle}  by ${waiver.by}: ${waiver.reason}`)
  }
  for (const event of found.events) {
    // Shown above, where it stands also when the log has gone on.
    if (event.type === 'sla.waived') continue
    const { metric, cycle, level, reason, rule } = event.data as Readonly<Record<string, unknown>>
    const why = [level, reason, rule].filter((part) => typeof part === 'string').join(', ')
    terminal.out(
      `  ${dateText(event.at)}  ${event.type.padEnd(14)} ${String(metric)} ${String(cycle)}${why === '' ? '' : `  ${why}`}`,
    )
  }
}

function rowOf(clock: ClockView): readonly string[] {
  return [
    clock.cycle === 1 ? clock.metric : `${clock.metric} ${clock.cycle}`,
    `${clock.state}${clock.reason === null ? '' : ` (${clock.reason})`}${clock.waiver === null ? '' : ', waived'}`,
    spanText(clock.targetS),
    spanText(clock.usedS),
    clock.dueAt === null ? '' : dateText(clock.dueAt),
    clock.calendar ?? 'always',
    `${clock.policy} ${clock.policyVersion}`,
  ]
}

/** `1 h 30 min`; below a minute in seconds. */
function spanText(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

import type { NewEvent } from '../events/contract.js'
import { isOpen, type Clock } from './clock.js'

const SYSTEM = Object.freeze({ kind: 'system', id: null } as const)

/** What became of a clock between two looks at it, for the log. Nothing for one that stayed as it was. */
export function clockEvents(before: Clock | undefined, after: Clock): readonly NewEvent[] {
  if (before === undefined) return [clockEvent('sla.started', after)]
  const events: NewEvent[] = []
  const ended = isOpen(before) && !isOpen(after)
  const late = before.breachedAt === null && after.breachedAt !== null
  // A clock that ends late without anybody having looked in between was breached all the same.
  if (late) events.push(clockEvent('sla.breached', after, { level: '100%' }))
  if (ended) events.push(clockEvent(endOf(after), after))
  else if (!late && differs(before, after)) events.push(clockEvent('sla.changed', after))
  return events
}

function endOf(clock: Clock): 'sla.met' | 'sla.missed' | 'sla.cancelled' {
  return clock.state === 'met' ? 'sla.met' : clock.state === 'cancelled' ? 'sla.cancelled' : 'sla.missed'
}

function differs(a: Clock, b: Clock): boolean {
  return (
    a.state !== b.state ||
    a.targetS !== b.targetS ||
    a.policy !== b.policy ||
    (a.dueAt?.getTime() ?? null) !== (b.dueAt?.getTime() ?? null) ||
    a.conversation !== b.conversation
  )
}

export function clockEvent(
  type: Extract<NewEvent['type'], `sla.${string}`>,
  clock: Clock,
  more: Readonly<Record<string, unknown>> = {},
): NewEvent {
  return {
    type,
    conversation: clock.conversation,
    actor: SYSTEM,
    data: {
      clock: clock.id,
      metric: clock.metric,
      cycle: clock.cycle,
      state: clock.state,
      policy: clock.policy,
      targetS: clock.targetS,
      usedS: Math.round(clock.usedS * 1000) / 1000,
      dueAt: clock.dueAt?.getTime() ?? null,
      ...(clock.breachedAt === null ? {} : { breachedAt: clock.breachedAt.getTime() }),
      ...(clock.reason === null ? {} : { reason: clock.reason }),
      ...more,
    },
  }
}

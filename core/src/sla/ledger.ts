import type { Calendar } from '../calendars/contract.js'
import { cancel, fulfil, isOpen, openClock, pause, resume, retarget, unfulfil, type Clock } from './clock.js'
import type { Metric } from './contract.js'
import type { Policy } from './policy.js'

/** What the clocks of one conversation need to know. Changed in place by `apply`; the clocks themselves are values. */
export interface Ledger {
  readonly conversation: string
  status: string
  /** Who has the turn. Clocks run only for people. */
  handledBy: 'none' | 'bot' | 'human'
  /** A person has said something to the customer: what comes now is a next reply. */
  replied: boolean
  /** The oldest customer message without an answer. */
  unanswered: Date | null
  /** Where the customer wrote last. */
  touchpoint: string | null
  readonly cycles: Map<Metric, number>
  clocks: Clock[]
}

/** What happened, in the words of the clocks. */
export type Signal =
  | { readonly type: 'customer'; readonly at: Date; readonly touchpoint: string | null; readonly message: string }
  | {
      readonly type: 'reply'
      readonly at: Date
      readonly by: 'human' | 'bot'
      readonly touchpoint: string | null
      readonly message: string
    }
  | { readonly type: 'unsent'; readonly at: Date; readonly message: string }
  | { readonly type: 'status'; readonly at: Date; readonly status: string }
  | { readonly type: 'turn'; readonly at: Date; readonly to: 'bot' | 'human' }
  | { readonly type: 'changed'; readonly at: Date }

export interface LedgerContext {
  readonly ids: () => string
  /** null: no policy holds for the conversation. */
  readonly policy: Policy | null
  readonly priority: string
  readonly tier: string | null
  readonly channelKind: (touchpoint: string | null) => string | null
  /** The calendar of that very version, also one that the configuration has changed since. */
  readonly calendar: (clock: Clock) => Calendar
}

export const replyMetrics: readonly Metric[] = ['first_reply', 'next_reply']
/** They run over the whole life of a conversation, and on when it is taken up again. */
export const workMetrics: readonly Metric[] = ['requester_wait', 'agent_work', 'total_resolution']

/** Applies one signal. Deterministic; signals of one conversation come in the order of the log. */
export function apply(ledger: Ledger, signal: Signal, context: LedgerContext): void {
  switch (signal.type) {
    case 'customer':
      ledger.touchpoint = signal.touchpoint
      ledger.unanswered ??= signal.at
      if (ledger.handledBy === 'human') openReply(ledger, signal.at, signal.message, context)
      break
    case 'turn':
      takeTurn(ledger, signal.to, signal.at, context)
      break
    case 'reply':
      reply(ledger, signal, context)
      break
    case 'unsent':
      takeBack(ledger, signal, context)
      break
    case 'status':
      changeStatus(ledger, signal.status, signal.at, context)
      break
    case 'changed':
      reselect(ledger, signal.at, context)
      break
  }
  pauseByStatus(ledger, signal.at, context)
}

/** The first message after an answer opens a clock; further ones on the same touchpoint never move it. */
function openReply(ledger: Ledger, at: Date, message: string | null, context: LedgerContext): void {
  const open = ledger.clocks.filter((clock) => isOpen(clock) && replyMetrics.includes(clock.metric))
  if (open.some((clock) => clock.touchpoint === ledger.touchpoint)) return
  const first = !ledger.replied && !open.some((clock) => clock.metric === 'first_reply')
  start(ledger, first ? 'first_reply' : 'next_reply', at, ledger.touchpoint, message, context)
}

function start(
  ledger: Ledger,
  metric: Metric,
  at: Date,
  touchpoint: string | null,
  openedBy: string | null,
  context: LedgerContext,
): void {
  const target = targetOf(metric, touchpoint ?? ledger.touchpoint, context)
  if (target === null) return
  const cycle = (ledger.cycles.get(metric) ?? 0) + 1
  ledger.cycles.set(metric, cycle)
  const of = { id: context.ids(), conversation: ledger.conversation, touchpoint, metric, cycle, openedBy }
  ledger.clocks.push(openClock(of, target, at))
}

function targetOf(metric: Metric, touchpoint: string | null, context: LedgerContext) {
  const { priority, tier } = context
  return context.policy?.target(metric, { priority, tier, channelKind: context.channelKind(touchpoint) }) ?? null
}

/** From a bot to people the clocks start at the hand-over; without a bot at the message that waits. */
function takeTurn(ledger: Ledger, to: 'bot' | 'human', at: Date, context: LedgerContext): void {
  if (ledger.handledBy === to) return
  const before = ledger.handledBy
  ledger.handledBy = to
  if (to === 'bot') return change(ledger, replyMetrics, (clock) => cancel(clock, at, context.calendar(clock), 'bot'))
  const from = before === 'bot' || ledger.unanswered === null ? at : ledger.unanswered
  startWork(ledger, from, context)
  if (ledger.unanswered !== null) openReply(ledger, from, null, context)
}

function startWork(ledger: Ledger, at: Date, context: LedgerContext): void {
  for (const metric of workMetrics) {
    if (!ledger.cycles.has(metric)) start(ledger, metric, at, null, null, context)
  }
}

function reply(ledger: Ledger, signal: Extract<Signal, { type: 'reply' }>, context: LedgerContext): void {
  const { at, by, message } = signal
  const counts = context.policy?.fulfilsBy(by) ?? by === 'human'
  if (!counts) {
    // A bot's answer closes the turn; a person who is owed stays owed.
    const first = ledger.clocks.some((clock) => isOpen(clock) && clock.metric === 'first_reply')
    if (!first && ledger.unanswered !== null && ledger.unanswered <= at) ledger.unanswered = null
    return change(ledger, ['next_reply'], (clock) =>
      clock.startedAt <= at ? cancel(clock, at, context.calendar(clock), 'answered_by_bot') : clock,
    )
  }
  if (ledger.handledBy === 'none') {
    ledger.handledBy = 'human'
    startWork(ledger, at, context)
  }
  const everywhere = context.policy?.crossChannel ?? true
  change(ledger, replyMetrics, (clock) =>
    clock.startedAt <= at && (everywhere || clock.touchpoint === signal.touchpoint)
      ? fulfil(clock, at, context.calendar(clock), message)
      : clock,
  )
  ledger.replied = true
  if (ledger.unanswered !== null && ledger.unanswered <= at) ledger.unanswered = null
  // `sent`, `delivered` and `read` of one message are one reply.
  if (ledger.status === 'resolved' || ledger.clocks.some((clock) => clock.openedBy === message)) return
  change(ledger, ['periodic_update'], (clock) =>
    clock.startedAt < at ? fulfil(clock, at, context.calendar(clock), message) : clock,
  )
  if (!ledger.clocks.some((clock) => isOpen(clock) && clock.metric === 'periodic_update')) {
    start(ledger, 'periodic_update', at, null, message, context)
  }
}

/** A message that was taken as sent and failed: as if it had never been. */
function takeBack(ledger: Ledger, { at, message }: Extract<Signal, { type: 'unsent' }>, context: LedgerContext): void {
  ledger.clocks = ledger.clocks.map((clock) => {
    if (clock.openedBy === message && clock.metric === 'periodic_update') {
      return cancel(clock, at, context.calendar(clock), 'not_sent')
    }
    if (clock.fulfilledBy !== message) return clock
    if (replyMetrics.includes(clock.metric)) {
      if (ledger.unanswered === null || clock.startedAt < ledger.unanswered) ledger.unanswered = clock.startedAt
      if (clock.metric === 'first_reply') ledger.replied = false
    }
    return unfulfil(clock, context.calendar(clock))
  })
}

function changeStatus(ledger: Ledger, status: string, at: Date, context: LedgerContext): void {
  const before = ledger.status
  ledger.status = status
  if (status === 'resolved') {
    change(ledger, replyMetrics, (clock) => cancel(clock, at, context.calendar(clock), 'closed_without_reply'))
    change(ledger, ['periodic_update'], (clock) => cancel(clock, at, context.calendar(clock), 'resolved'))
    change(ledger, workMetrics, (clock) => fulfil(clock, at, context.calendar(clock)))
    ledger.unanswered = null
  } else if (before === 'resolved') {
    ledger.clocks = ledger.clocks.map((clock) =>
      workMetrics.includes(clock.metric) && (clock.state === 'met' || clock.state === 'met_late')
        ? resume(clock, at, context.calendar(clock))
        : clock,
    )
  }
}

/** Pending without an answer does not pause: it would be a way to stop the clock by pressing a button. */
function pauseByStatus(ledger: Ledger, at: Date, context: LedgerContext): void {
  const { policy } = context
  if (policy === null) return
  change(ledger, [...workMetrics, 'periodic_update'], (clock) => {
    const rests = policy.pauses(clock.metric).includes(ledger.status)
    const paused = rests && !(ledger.status === 'pending' && ledger.unanswered !== null)
    return paused ? pause(clock, at, context.calendar(clock)) : resume(clock, at, context.calendar(clock))
  })
}

/** Priority, tier, queue or tags have changed: the policy is chosen anew, and what runs gets its target. */
function reselect(ledger: Ledger, at: Date, context: LedgerContext): void {
  ledger.clocks = ledger.clocks.map((clock) => {
    if (clock.state !== 'running' && clock.state !== 'paused') return clock
    const target = targetOf(clock.metric, clock.touchpoint ?? ledger.touchpoint, context)
    if (target === null) return cancel(clock, at, context.calendar(clock), 'no_policy')
    const same =
      target.seconds === clock.targetS &&
      target.calendar.version === clock.calendarVersion &&
      target.policy === clock.policy &&
      target.policyVersion === clock.policyVersion
    return same ? clock : retarget(clock, target, at, context.calendar(clock))
  })
  if (ledger.handledBy !== 'human' || ledger.status === 'resolved') return
  startWork(ledger, at, context)
  if (ledger.unanswered !== null) openReply(ledger, at, null, context)
}

function change(ledger: Ledger, metrics: readonly Metric[], to: (clock: Clock) => Clock): void {
  ledger.clocks = ledger.clocks.map((clock) => (isOpen(clock) && metrics.includes(clock.metric) ? to(clock) : clock))
}

/** `from` was joined into `into`: the earliest clock of each metric stays, the others end. */
export function joinLedgers(from: Ledger, into: Ledger, at: Date, context: LedgerContext): void {
  const metrics = new Set([...from.clocks, ...into.clocks].filter(isOpen).map((clock) => clock.metric))
  for (const metric of metrics) {
    const open = [...into.clocks, ...from.clocks].filter((clock) => isOpen(clock) && clock.metric === metric)
    const rank = (clock: Clock): number => (clock.dueAt ?? new Date(8.64e15)).getTime()
    const keep = open.reduce((best, clock) => (rank(clock) < rank(best) ? clock : best))
    const settle = (ledger: Ledger): void =>
      change(ledger, [metric], (clock) =>
        clock === keep ? clock : cancel(clock, at, context.calendar(clock), 'joined'),
      )
    settle(into)
    settle(from)
    if (keep.conversation === into.conversation) continue
    const cycle = (into.cycles.get(metric) ?? 0) + 1
    into.cycles.set(metric, cycle)
    into.clocks.push({ ...keep, conversation: into.conversation, cycle })
    from.clocks = from.clocks.filter((clock) => clock !== keep)
  }
  const earliest = [from.unanswered, into.unanswered].filter((one) => one !== null).sort((a, b) => +a - +b)
  into.unanswered = earliest[0] ?? null
  into.replied ||= from.replied
  if (into.handledBy === 'none') into.handledBy = from.handledBy
  from.unanswered = null
  from.status = 'joined'
}

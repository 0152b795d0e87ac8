import type { ConversationRow } from './candidate-store.js'

/** Facts of the continuity rule file, one evaluation a candidate. */
export interface ContinuityFacts {
  readonly candidate: {
    readonly status: string
    readonly resolvedHoursAgo: number | null
    readonly lastMessageHoursAgo: number | null
    readonly sameThread: boolean
    readonly sameChannel: boolean
  }
  readonly message: { readonly automatic: boolean; readonly length: number; readonly hasSubject: boolean }
  readonly channel: { readonly id: string; readonly kind: string }
  readonly contact: { readonly verified: boolean; readonly tier: string | null }
}

export type Continuity = (facts: ContinuityFacts) => 'join' | 'new'

/** Default when the rule file cannot decide: open, or resolved less than 72 h ago. */
export function defaultContinuity(facts: ContinuityFacts): 'join' | 'new' {
  const { status, resolvedHoursAgo } = facts.candidate
  return status !== 'resolved' || (resolvedHoursAgo ?? Infinity) < 72 ? 'join' : 'new'
}

export interface Incoming {
  readonly channel: string
  readonly channelKind: string
  readonly thread: string
  readonly automatic: boolean
  readonly length: number
  readonly hasSubject: boolean
  readonly verified: boolean
  readonly tier: string | null
  readonly at: Date
}

/**
 * Which of the contact's conversations a message belongs to. Candidates come newest first. A conversation on the same
 * thread is asked about before the others; null: a new one.
 */
export function place(
  incoming: Incoming,
  candidates: readonly ConversationRow[],
  rule: Continuity,
): ConversationRow | null {
  const onThread = (c: ConversationRow) =>
    c.touchpoints.some((t) => t.channel === incoming.channel && t.thread === incoming.thread)
  const open = (c: ConversationRow) => c.status !== 'resolved'
  const order = [...candidates].sort(
    (a, b) => Number(open(b)) - Number(open(a)) || Number(onThread(b)) - Number(onThread(a)),
  )
  for (const candidate of order) {
    const facts: ContinuityFacts = {
      candidate: {
        status: candidate.status,
        resolvedHoursAgo: hoursBetween(candidate.resolvedAt, incoming.at),
        lastMessageHoursAgo: hoursBetween(candidate.lastMessageAt, incoming.at),
        sameThread: onThread(candidate),
        sameChannel: candidate.touchpoints.some((t) => t.channel === incoming.channel),
      },
      message: { automatic: incoming.automatic, length: incoming.length, hasSubject: incoming.hasSubject },
      channel: { id: incoming.channel, kind: incoming.channelKind },
      contact: { verified: incoming.verified, tier: incoming.tier },
    }
    if (rule(facts) === 'join') return candidate
  }
  return null
}

function hoursBetween(from: Date | null, to: Date): number | null {
  return from === null ? null : Math.max(0, (to.getTime() - from.getTime()) / 3_600_000)
}

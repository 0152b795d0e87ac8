import type { Kysely } from 'kysely'
import { pruneInbox } from './inbound/inbox-store.js'
import type { createJobs } from './jobs/jobs.js'
import { compactHeads } from './store/compact.js'
import type { Tables } from './store/tables.js'

/** Longer than the last retry of a webhook comes after its event (75.6 h, with a fifth more 91 h). */
const EVENT_HOURS = 96
const EVENT_ROWS = 1_000_000
const INBOX_DAYS = 7

interface Pruned {
  prune(): Promise<void>
}

export interface UpkeepParts {
  readonly db: Kysely<Tables>
  readonly jobs: Pick<ReturnType<typeof createJobs>, 'every'>
  readonly sequencer: { prune(hours: number, keep: number): Promise<void> }
  readonly attachments: { sweep(): Promise<unknown> }
  readonly conversations: { wakeSnoozed(): Promise<unknown> }
  readonly webhooks: Pruned
  readonly accounts: Pruned
  readonly agents: Pruned
}

/** A part of the composition root: what comes round by itself, with how long things are kept. Used by kernel.ts alone. */
export function scheduleUpkeep(parts: UpkeepParts): void {
  const { jobs } = parts
  jobs.every('attachments-sweep', 10, async () => void (await parts.attachments.sweep()))
  jobs.every('snooze', 15, async () => void (await parts.conversations.wakeSnoozed()))
  jobs.every('compaction', 60, async () => void (await compactHeads(parts.db)))
  jobs.every('retention', 600, async () => {
    await parts.sequencer.prune(EVENT_HOURS, EVENT_ROWS)
    await pruneInbox(parts.db, INBOX_DAYS)
    await parts.webhooks.prune()
    await parts.accounts.prune()
    await parts.agents.prune()
  })
}

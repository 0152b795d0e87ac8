import type { OutboundService } from '../outbound/contract.js'
import type { QueueBoard } from './contract.js'
import { transact, type TransactDeps } from './transact.js'
import { claimTelling, waiters, type Waiter } from './wait-answer-store.js'
import { lockConversation } from './work-store.js'

export interface WaitAnswerDeps extends TransactDeps {
  readonly board: Pick<QueueBoard, 'read'>
  readonly outbound: (() => Pick<OutboundService, 'queue' | 'wake'>) | null
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const TEMPLATE = 'offer-wait'
/** Whoever finds somebody at once need not hear of waiting. */
const AFTER_S = 5
const PAGE = 200

/**
 * Where the plan says `tellWait`, a customer who has to wait is told once about how long: the 80 % figure of the queue, in
 * whole minutes, or none where nothing is known. Locks: conversation, item; the item's flag is the key.
 */
export async function tellWaiting(deps: WaitAnswerDeps, signal: AbortSignal): Promise<void> {
  if (deps.outbound === null) return
  const due = await waiters(deps.db, AFTER_S, PAGE)
  if (due.length === 0) return
  const outbound = deps.outbound()
  const waits = new Map((await deps.board.read()).map((stat) => [stat.queue, stat.wait]))
  for (const one of due) {
    if (signal.aborted) break
    const p80S = waits.get(one.queue)?.p80S
    const minutes = p80S === undefined ? null : Math.max(1, Math.ceil(p80S / 60))
    try {
      await tellOne(deps, outbound, one, minutes)
    } catch (error) {
      const { code } = error as { code?: string }
      deps.log.warn({ conversation: one.conversation, code }, 'a waiting customer could not be told how long it takes')
      // A channel that refuses now will refuse again, and later the word is worth nothing.
      if (code?.startsWith('TL_') === true) await transact(deps, (trx) => claimTelling(trx, one.item))
    }
  }
  outbound.wake()
  deps.events.poke()
}

async function tellOne(
  deps: WaitAnswerDeps,
  outbound: Pick<OutboundService, 'queue'>,
  to: Waiter,
  minutes: number | null,
): Promise<void> {
  await transact(deps, async (trx) => {
    await lockConversation(trx, to.conversation)
    if (!(await claimTelling(trx, to.item))) return
    await outbound.queue(
      {
        conversation: to.conversation,
        parts: [],
        template: {
          name: TEMPLATE,
          values: { customer: { name: to.name, language: to.language }, wait: { minutes } },
        },
        author: { kind: 'system', id: null },
        cause: 'wait',
      },
      trx,
    )
  })
}

import type { Transaction } from 'kysely'
import type { QueueConfig } from '../config/contract.js'
import type { Tables } from '../store/tables.js'
import { classesAgain, readTaken } from './fair-share-store.js'
import type { ScanRow } from './scan-store.js'
import type { Candidate } from './selection.js'

type Asked = Pick<ScanRow, 'queue' | 'class' | 'again'>

/**
 * How much of the new work of a queue each agent may still have. What is counted: new items that were accepted within the
 * window or are offered now, and what a pass offers. What somebody has had before, and what was forced, comes on top.
 */
export interface FairShares {
  /** The item is new, and its queue gives an agent so many only. */
  limits(row: Asked): boolean
  allows(row: Asked, agent: string): boolean
  /** The item is offered to the agent in this pass. */
  count(row: Asked, agent: string): void
  /** Items of this one's class differ: some are new, some are not. */
  isMixed(row: Asked): boolean
}

export interface Taken {
  readonly queue: string
  readonly agent: string
  readonly taken: number
}

/** No queue has a share. */
export const NO_SHARES: FairShares = Object.freeze({
  limits: () => false,
  allows: () => true,
  count: () => undefined,
  isMixed: () => false,
})

export function createFairShares(
  items: ReadonlyMap<string, number>,
  taken: readonly Taken[],
  again: readonly { readonly queue: string; readonly class: number }[] = [],
): FairShares {
  const key = (queue: string, agent: string): string => `${queue} ${agent}`
  const counts = new Map(taken.map((one) => [key(one.queue, one.agent), one.taken]))
  const countOf = (row: Asked, agent: string): number => counts.get(key(row.queue, agent)) ?? 0
  const mixed = new Set(again.map((one) => `${one.queue} ${one.class}`))
  const limits = (row: Asked): boolean => row.again !== true && items.has(row.queue)
  return {
    limits,
    allows: (row, agent) => !limits(row) || countOf(row, agent) < (items.get(row.queue) ?? 0),
    count: (row, agent) => {
      if (limits(row)) counts.set(key(row.queue, agent), countOf(row, agent) + 1)
    },
    isMixed: (row) => mixed.has(`${row.queue} ${row.class}`),
  }
}

/**
 * The shares of these queues, for one pass. Their advisory locks are held: nobody else offers their items meanwhile, so a
 * share is never exceeded by offers. Asks the database only where a queue has a share.
 */
export async function readFairShares(
  trx: Transaction<Tables>,
  names: readonly string[],
  queues: ReadonlyMap<string, QueueConfig>,
  candidates: readonly Candidate[],
): Promise<FairShares> {
  const shares = names.flatMap((queue) => {
    const share = queues.get(queue)?.fairShare
    return share === undefined ? [] : [{ queue, ...share }]
  })
  if (shares.length === 0) return NO_SHARES
  const agents = candidates.filter((one) => one.available).map((one) => one.agent)
  const [taken, again] = await Promise.all([
    readTaken(trx, shares, agents),
    classesAgain(
      trx,
      shares.map((share) => share.queue),
    ),
  ])
  return createFairShares(new Map(shares.map((share) => [share.queue, share.items])), taken, again)
}

/** What an estimate is made of. Spans in seconds. */
export interface Pool {
  /** Items that are served before, or with, the one asked about: its position, counted from 1. */
  readonly position: number
  /** Agents who take work of the queue now. */
  readonly agents: number
  /** Conversations these agents can have at a time, all together, and how many more they could take now. */
  readonly slots: number
  readonly freeSlots: number
  /** Handle time; null: nothing was handled lately, so nothing is known. */
  readonly handle: { readonly meanS: number; readonly deviationS: number } | null
}

export interface Estimate {
  readonly p50S: number
  readonly p80S: number
}

/** 80 of 100 outcomes of a normal distribution lie below mean + this many deviations. */
const Z80 = 0.8416

/**
 * The wait of the item at a position: each slot that comes free takes one item, so `position - freeSlots` slots have to
 * come free, and `slots` of them are worked at side by side. null: hidden, because a single agent's break would make it
 * wrong, or because no handle time is known.
 */
export function estimateWait(pool: Pool): Estimate | null {
  if (pool.agents < 2 || pool.slots < 1) return null
  const turns = pool.position - pool.freeSlots
  if (turns <= 0) return { p50S: 0, p80S: 0 }
  if (pool.handle === null) return null
  const mean = (turns * pool.handle.meanS) / pool.slots
  const deviation = (Math.sqrt(turns) * pool.handle.deviationS) / pool.slots
  return { p50S: Math.round(mean), p80S: Math.round(mean + Z80 * deviation) }
}

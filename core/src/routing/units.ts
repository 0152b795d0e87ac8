import type { Priority } from '@throughline/plugin-sdk'
import type { ChannelKind } from '../config/contract.js'

/** What one conversation takes of an agent's 100. */
const UNITS: Readonly<Record<ChannelKind, number>> = Object.freeze({
  voice: 100,
  webchat: 25,
  messaging: 20,
  sms: 20,
  email: 10,
  social: 10,
})

export function unitsOf(kind: string): number {
  return Object.hasOwn(UNITS, kind) ? UNITS[kind as ChannelKind] : UNITS.messaging
}

/** Who has one of these is asked for nothing else meanwhile. */
export const EXCLUSIVE = 'voice'

/**
 * Units in use as a new piece of work sees them: what may be interrupted counts nothing for a call. Kinds that may be
 * interrupted are never re-weighted, so that a count of them is enough.
 */
export function unitsInUse(
  of: { readonly reserved: number; readonly active: number; readonly byChannel: Readonly<Record<string, number>> },
  kind: string,
  interruptible: readonly string[],
): number {
  const all = of.reserved + of.active
  if (kind !== EXCLUSIVE || interruptible.length === 0) return all
  return interruptible.reduce((sum, one) => sum - (of.byChannel[one] ?? 0) * unitsOf(one), all)
}

/** The customer is there and waits: an agent who left cannot keep the conversation. */
export const REAL_TIME: readonly string[] = ['voice', 'webchat']

/** Seconds ahead of a normal item that came at the same moment. Static, so nothing starves: see spec §2.2. */
const HEAD_START_S: Readonly<Record<Priority, number>> = Object.freeze({
  urgent: 3_600,
  high: 900,
  normal: 0,
  low: -900,
})

/** An item that comes back because the agent was lost. */
export const RETURNED_BOOST_S = 600

/** In a queue with `strict` a priority goes before every lower one, however long that has waited: years ahead. */
export const STRICT_S = 300_000_000
const LEVELS: Readonly<Record<Priority, number>> = Object.freeze({ urgent: 3, high: 2, normal: 1, low: 0 })

export function strictHeadStart(priority: Priority, extra = 0): number {
  return LEVELS[priority] * STRICT_S + Math.trunc(extra)
}

/** How long an item waits for a preferred agent who is there and full, by sort of channel. In seconds. */
const HOLD_S: Readonly<Record<ChannelKind, number>> = Object.freeze({
  voice: 30,
  webchat: 30,
  messaging: 300,
  sms: 300,
  social: 300,
  email: 7_200,
})

export function holdOf(kind: string): number {
  return Object.hasOwn(HOLD_S, kind) ? HOLD_S[kind as ChannelKind] : HOLD_S.messaging
}

export function headStart(priority: Priority, extra = 0): number {
  return HEAD_START_S[priority] + Math.trunc(extra)
}

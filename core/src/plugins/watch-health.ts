import type { Health, Lifecycle } from '@throughline/plugin-sdk'
import type { Guard } from './guard.js'

const HEALTH_MS = 5_000

/** Asks a plugin that can tell how it is, again and again; one that fails to say is degraded. undefined: it cannot tell. */
export function watchHealth(of: {
  readonly live: Lifecycle
  readonly guard: Guard
  readonly everyMs: number
  /** An error in words that may be shown. */
  readonly said: (error: unknown) => string
  readonly found: (health: Health) => void
}): NodeJS.Timeout | undefined {
  const health = of.live.health?.bind(of.live)
  if (health === undefined) return undefined
  const failed = (error: unknown): Health => ({ status: 'degraded', detail: of.said(error) })
  const look = (): Promise<Health> => of.guard.call('health', HEALTH_MS, () => health()).catch(failed)
  return setInterval(() => void look().then(of.found), of.everyMs)
}

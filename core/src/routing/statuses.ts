import type { Config } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import type { UnifiedStatus } from './contract.js'

const unified: ReadonlySet<string> = new Set(['online', 'busy', 'away', 'wrap', 'offline'] satisfies UnifiedStatus[])

export interface NamedStatus {
  /** null: one of the five unified statuses under its own name. */
  readonly label: string | null
  readonly status: UnifiedStatus
}

/** What an agent or supervisor chose: a unified status, or a name of the configuration that stands for one. */
export function resolveStatus(name: string, config: Pick<Config, 'statuses'>): NamedStatus {
  if (unified.has(name)) return { label: null, status: name as UnifiedStatus }
  const named = config.statuses?.find((one) => one.id === name)
  if (named !== undefined) return { label: named.id, status: named.means }
  const known = [...unified, ...(config.statuses ?? []).map((one) => one.id)].join(', ')
  throw new ThroughlineError('TL_COMMAND_INVALID', `/state "${name.slice(0, 60)}" is no status; use one of ${known}`, {
    details: { path: '/state' },
  })
}

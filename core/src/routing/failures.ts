import type { Kysely } from 'kysely'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import type { Clock } from '../clock.js'
import type { RuleFileContext } from './rules/rule-file.js'

/** Tells operators that something in routing failed, while routing goes on. Returns at once and never throws. */
export interface FailureReport {
  /** `operation`: what it was asked for, `route` unless said otherwise. */
  plugin(instance: string, reason: string, operation?: string): void
  rule: NonNullable<RuleFileContext['onFailure']>
}

export interface FailureReportDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly clock: Clock
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

/** The same failure is told once in this time: a broken rule fails for every message. */
const QUIET_MS = 60_000
const MAX_KINDS = 1_000

export function createFailureReport(deps: FailureReportDeps): FailureReport {
  const told = new Map<string, number>()
  const tell = (key: string, event: NewEvent, message: string): void => {
    const now = deps.clock.now()
    if (now - (told.get(key) ?? -Infinity) < QUIET_MS) return
    if (told.size >= MAX_KINDS) told.clear()
    told.set(key, now)
    deps.log.warn(event.data, message)
    void deps.db
      .transaction()
      .execute((trx) => deps.events.append(trx, [event]))
      .then(() => deps.events.poke())
      .catch((error: unknown) =>
        deps.log.warn({ code: (error as { code?: string }).code }, 'a routing failure could not be recorded'),
      )
  }
  const actor = { kind: 'system', id: null } as const
  return Object.freeze({
    plugin: (instance, reason, operation = 'route') =>
      tell(
        `plugin ${instance} ${reason}`,
        { type: 'plugin.error', actor, data: { instance, operation, reason } },
        operation === 'route' ? 'a routing plugin failed, the next one decides' : 'a fact of a plugin is null',
      ),
    rule: ({ file, rule, version, message }) =>
      tell(
        `rule ${file} ${rule} ${version}`,
        { type: 'rule.failed', actor, data: { file, rule, version, reason: message } },
        'a rule failed while running and counts as not matching',
      ),
  } satisfies FailureReport)
}

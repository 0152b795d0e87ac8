import type { Kysely } from 'kysely'
import type { ConfigProblem } from '../../config/contract.js'
import type { EventWriter, NewEvent } from '../../events/contract.js'
import type { Tables } from '../../store/tables.js'
import type { RuleNews } from './live-file.js'

export interface RuleNewsDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly log: {
    info(fields: Readonly<Record<string, unknown>>, message: string): void
    error(fields: Readonly<Record<string, unknown>>, message: string): void
  }
}

/** Findings shown in one event or log line; the rest is in /v1/admin/rules. */
const SHOWN = 10

/** Tells operators what happened to a rule file: a line in the log, and an event. Returns at once and never throws. */
export function createRuleNews(deps: RuleNewsDeps): (news: RuleNews) => void {
  const { db, events, log } = deps
  const append = (event: NewEvent): void =>
    void db
      .transaction()
      .execute((trx) => events.append(trx, [event]))
      .then(() => events.poke())
      .catch((error: unknown) =>
        log.error({ code: (error as { code?: string }).code, type: event.type }, 'an event could not be recorded'),
      )
  return (news) => {
    const { type, ...rest } = news
    const data = news.type === 'rules.refused' ? { ...rest, problems: news.problems.slice(0, SHOWN).map(shown) } : rest
    if (news.type === 'rules.live') log.info(data, 'the rule file is live')
    else if (news.type === 'rules.refused')
      log.error({ code: news.problems[0]?.code, ...data }, 'the rule file is refused, the last good version goes on')
    else log.error({ code: 'TL_RULES_WITHDRAWN', ...data }, 'the rule file was taken back, the version before goes on')
    append({ type, actor: { kind: 'system', id: null }, data })
  }
}

/** The place as people write it: file:line:column. */
function shown({ code, position, path, message, remedy }: ConfigProblem): Readonly<Record<string, unknown>> {
  return { code, at: `${position.file}:${position.line}:${position.column}`, path, message, remedy }
}

import type { PluginDef } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Calendars } from '../../calendars/contract.js'
import type { Config } from '../../config/contract.js'
import { watchFiles, type FileWatch, type WatchFilesDeps } from './watch-files.js'
import type { EventWriter } from '../../events/contract.js'
import type { Tables } from '../../store/tables.js'
import { createRuleNews, type RuleNewsDeps } from './rule-news.js'
import { createRules, type RuleService } from './rules.js'
import { createRuleVersions } from './version-store.js'

export interface LiveRulesDeps {
  readonly config: Config
  readonly definitions: () => readonly PluginDef[]
  readonly calendars?: Calendars
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly clock: { now(): number }
  readonly log: RuleNewsDeps['log'] & WatchFilesDeps['log']
  readonly watch?: Pick<WatchFilesDeps, 'watch' | 'settleMs' | 'pollMs'>
}

export interface LiveRules extends RuleService {
  /** Reads the files, once the plugins are known, and follows every edit from then on. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** The rule files of a running node: watched, remembered, told about. */
export function createLiveRules(deps: LiveRulesDeps): LiveRules {
  const { config, definitions, db, events, clock, log } = deps
  const versions = createRuleVersions(db)
  const rules = createRules({
    ...(deps.calendars === undefined ? {} : { calendars: deps.calendars }),
    config,
    definitions,
    versions,
    news: createRuleNews({ db, events, log }),
    clock,
    log,
  })
  const reload = async (): Promise<void> => void (await rules.reload())
  let watch: FileWatch | undefined
  return Object.freeze({
    ...rules,
    async start() {
      // Watched before they are read: an edit in between is seen by one of the two.
      watch = watchFiles({ files: rules.paths, changed: reload, log, ...deps.watch })
      await reload()
    },
    stop: async () => watch?.stop(),
  } satisfies LiveRules)
}

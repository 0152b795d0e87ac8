import { join } from 'node:path'
import type { PluginDef } from '@throughline/plugin-sdk'
import type { Calendars } from '../../calendars/contract.js'
import type { CheckSource, Config, ConfigProblem } from '../../config/contract.js'
import type { RuleFileKind, RuleResult, Rules } from '../contract.js'
import { builtInContinuity } from './built-in.js'
import { LiveFile, type RuleFileStatus, type RuleNews } from './live-file.js'
import { prefixTaken } from './operators.js'
import { loadRuleFile, readRuleFile, type RuleFileContext } from './rule-file.js'
import type { Uses } from './uses.js'
import type { RuleVersions } from './version-store.js'

export interface RuleService extends Rules {
  /**
   * Reads all files again. What is refused changes nothing: the last good version goes on. Answers every finding. With
   * `anew` also files that have not changed: plugins have.
   */
  reload(options?: { readonly anew?: boolean }): Promise<readonly ConfigProblem[]>
  /** Calls back when a rule fails while running; it counted as not matching. */
  onFailure(listener: FailureListener): void
  /** Version in force by file; null: none, the default takes over. */
  version(file: RuleFileKind): string | null
  /** What the version in force asks for; null: there is none. */
  uses(file: RuleFileKind): Uses | null
  /** What is in force, and what is wrong with the files. */
  status(): readonly RuleFileStatus[]
  /** The files that are read, for a watcher. */
  readonly paths: readonly string[]
}

type FailureListener = NonNullable<RuleFileContext['onFailure']>

export interface RuleServiceDeps {
  readonly config: Config
  /** Plugins whose rule operators and facts may be used. */
  readonly definitions: () => readonly PluginDef[]
  /** Calendars that rules may name; absent: none. */
  readonly calendars?: Calendars
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
  /** Where good versions are remembered; absent: nowhere, as for commands. */
  readonly versions?: RuleVersions
  readonly news?: (news: RuleNews) => void
  readonly clock?: { now(): number }
}

export const ruleFileKinds: readonly RuleFileKind[] = ['routing', 'continuity', 'sla', 'escalation']

export function rulePath(config: Config, file: RuleFileKind): string {
  return join(config.rulesDir, `${file}.json`)
}

/** The names of the configuration that rules may use. */
export function ruleContext(
  config: Config,
  definitions: readonly PluginDef[],
  calendars: Calendars | undefined,
): RuleFileContext {
  return {
    queues: new Map(config.queues.map((queue) => [queue.id, queue.overflow])),
    skills: config.skills,
    teams: config.teams.map((team) => team.id),
    definitions,
    ...(calendars === undefined ? {} : { calendars }),
  }
}

/**
 * The rule files; `reload` reads them for the first time, once the plugins' definitions are known. A file that is refused
 * or absent never stops the engine: the last good version, or the built-in floor, answers.
 */
export function createRules(deps: RuleServiceDeps): RuleService {
  const { config, log } = deps
  const listeners: FailureListener[] = []
  const files = new Map(ruleFileKinds.map((kind) => [kind, liveFile(kind)]))
  const floor = readRuleFile(
    JSON.stringify(builtInContinuity),
    'built-in',
    'continuity',
    ruleContext(config, [], undefined),
  )
  if (!floor.ok) throw new Error('the built-in continuity rules are not valid')

  function liveFile(kind: RuleFileKind): LiveFile {
    const path = rulePath(config, kind)
    const file = new LiveFile({
      kind,
      path,
      read: (text) =>
        readRuleFile(text, path, kind, { ...ruleContext(config, deps.definitions(), deps.calendars), onFailure }),
      versions: deps.versions ?? null,
      news: deps.news ?? warnOnly,
      warn: (fields, message) => log.warn(fields, message),
      now: () => (deps.clock ?? Date).now(),
    })
    return file
  }
  function warnOnly(news: RuleNews): void {
    if (news.type !== 'rules.refused') return
    const fields = { file: news.file, problems: news.problems.length, version: news.inForce }
    log.warn(fields, 'rule file refused, the last good version goes on')
  }
  function onFailure(failure: Parameters<FailureListener>[0]): void {
    for (const listener of listeners) listener(failure)
    files.get(failure.file)?.failed(failure.version)
  }
  return Object.freeze({
    paths: ruleFileKinds.map((kind) => rulePath(config, kind)),
    reload: async ({ anew = false } = {}) => {
      const found = await Promise.all([...files.values()].map((file) => file.look(anew)))
      const taken = prefixProblems(config, deps.definitions())
      for (const { code, message } of taken) log.warn({ code }, message)
      return [...taken, ...found.flat()]
    },
    onFailure: (listener) => void listeners.push(listener),
    version: (file) => files.get(file)?.live?.version ?? null,
    uses: (file) => files.get(file)?.live?.uses ?? null,
    status: () => [...files.values()].map((file) => file.status()),
    evaluate: (file, facts): RuleResult | null => {
      const result = files.get(file)?.live?.evaluate(facts) ?? null
      return result ?? (file === 'continuity' ? floor.evaluate(facts) : null)
    },
  } satisfies RuleService)
}

/** Plugins whose operators and facts cannot be had, because rule files use their name for something else. */
function prefixProblems(config: Config, definitions: readonly PluginDef[]): readonly ConfigProblem[] {
  return definitions
    .filter(({ name, rules }) => rules !== undefined && prefixTaken(name))
    .map(({ name }) =>
      Object.freeze({
        code: 'TL_RULES_PREFIX_TAKEN',
        severity: 'error',
        position: { file: config.file, line: 1, column: 1 },
        path: '',
        message: `the plugin "${name}" publishes rule operators or facts, but "${name}" is a fact of the engine; they are left out`,
        remedy: 'Rename the plugin, or use another one.',
        instance: null,
      } satisfies ConfigProblem),
    )
}

/** For `throughline check`. */
export function ruleFileCheck(
  definitions: () => readonly PluginDef[],
  calendars: (config: Config) => Calendars,
): CheckSource {
  return async (config) => {
    const context = ruleContext(config, definitions(), calendars(config))
    const loaded = await Promise.all(ruleFileKinds.map((kind) => loadRuleFile(rulePath(config, kind), kind, context)))
    return [...prefixProblems(config, context.definitions), ...loaded.flatMap((file) => file?.problems ?? [])]
  }
}

import { join } from 'node:path'
import type { PluginDef } from '@throughline/plugin-sdk'
import type { CheckSource, Config, ConfigProblem } from '../../config/contract.js'
import type { RuleFileKind, RuleResult, Rules } from '../contract.js'
import { builtInContinuity } from './built-in.js'
import { loadRuleFile, readRuleFile, type LoadedRuleFile, type RuleFileContext } from './rule-file.js'

export interface RuleService extends Rules {
  /** Reads all files again. What is refused changes nothing: the last good version goes on. Answers every finding. */
  reload(): Promise<readonly ConfigProblem[]>
  /** Calls back when a rule fails while running; it counted as not matching. */
  onFailure(listener: FailureListener): void
  /** Version in force by file; null: none, the default takes over. */
  version(file: RuleFileKind): string | null
}

type FailureListener = NonNullable<RuleFileContext['onFailure']>

export interface RuleServiceDeps {
  readonly config: Config
  /** Plugins whose rule operators and facts may be used. */
  readonly definitions: () => readonly PluginDef[]
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const FILES: readonly RuleFileKind[] = ['routing', 'continuity']

function pathOf(config: Config, file: RuleFileKind): string {
  return join(config.rulesDir, `${file}.json`)
}

function contextOf(config: Config, definitions: readonly PluginDef[]): RuleFileContext {
  return {
    queues: new Map(config.queues.map((queue) => [queue.id, queue.overflow])),
    skills: config.skills,
    teams: config.teams.map((team) => team.id),
    definitions,
  }
}

/**
 * The rule files; `reload` reads them for the first time, once the plugins' definitions are known. A file that is refused
 * or absent never stops the engine: the built-in floor answers.
 */
export function createRules(deps: RuleServiceDeps): RuleService {
  const live = new Map<RuleFileKind, LoadedRuleFile>()
  const listeners: FailureListener[] = []
  const tell: FailureListener = (failure) => {
    for (const listener of listeners) listener(failure)
  }
  const floor = readRuleFile(JSON.stringify(builtInContinuity), 'built-in', 'continuity', contextOf(deps.config, []))
  if (!floor.ok) throw new Error('the built-in continuity rules are not valid')

  const reload = async (): Promise<readonly ConfigProblem[]> => {
    const context = { ...contextOf(deps.config, deps.definitions()), onFailure: tell }
    const findings: ConfigProblem[] = []
    for (const kind of FILES) {
      const loaded = await loadRuleFile(pathOf(deps.config, kind), kind, context)
      if (loaded === null) {
        live.delete(kind)
        continue
      }
      findings.push(...loaded.problems)
      if (loaded.ok) live.set(kind, loaded)
      else
        deps.log.warn(
          { file: kind, problems: loaded.problems.length, version: live.get(kind)?.version ?? null },
          'rule file refused, the last good version goes on',
        )
    }
    return findings
  }
  return Object.freeze({
    reload,
    onFailure: (listener: FailureListener) => void listeners.push(listener),
    version: (file: RuleFileKind) => live.get(file)?.version ?? null,
    evaluate: (file: RuleFileKind, facts: Readonly<Record<string, unknown>>): RuleResult | null => {
      const result = live.get(file)?.evaluate(facts) ?? null
      return result ?? (file === 'continuity' ? floor.evaluate(facts) : null)
    },
  })
}

/** For `throughline check`. */
export function ruleFileCheck(definitions: () => readonly PluginDef[]): CheckSource {
  return async (config) => {
    const context = contextOf(config, definitions())
    const loaded = await Promise.all(FILES.map((kind) => loadRuleFile(pathOf(config, kind), kind, context)))
    return loaded.flatMap((file) => file?.problems ?? [])
  }
}

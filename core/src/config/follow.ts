import type { AgentConfig, Config } from './contract.js'
import type { LiveConfig } from './live.js'
import { problemLine } from './report.js'

export interface FollowDeps {
  readonly live: LiveConfig
  /** Accounts of throughline.yaml: made, changed, and those no longer listed disabled. Safe to repeat. */
  readonly syncAgents: (agents: readonly AgentConfig[]) => Promise<void>
  readonly log: {
    info(fields: Readonly<Record<string, unknown>>, message: string): void
    warn(fields: Readonly<Record<string, unknown>>, message: string): void
    error(fields: Readonly<Record<string, unknown>>, message: string): void
  }
  readonly cwd: string
}

/** What takes effect at once; everything else is built into the parts of a running engine. */
export const LIVE_SECTIONS: readonly string[] = ['agents']

/**
 * Takes an edit of throughline.yaml over, as far as a running engine can: agents at once, the rest is named as waiting for a
 * restart. A broken file changes nothing and is told with place and remedy.
 */
export async function followConfig({ live, syncAgents, log, cwd }: FollowDeps): Promise<void> {
  const before = live.current
  const { changed, problems } = live.reload()
  if (!changed) {
    const errors = problems.filter((problem) => problem.severity === 'error')
    const shown = errors.slice(0, 10).map((problem) => problemLine(problem, cwd))
    log.error({ code: errors[0]?.code, problems: shown }, 'throughline.yaml is refused, the engine goes on as it was')
    return
  }
  const sections = changedSections(before, live.current)
  if (sections.includes('agents')) {
    await syncAgents(live.current.agents)
    log.info({ agents: live.current.agents.length }, 'the agents of throughline.yaml were taken over')
  }
  const waiting = sections.filter((section) => !LIVE_SECTIONS.includes(section))
  if (waiting.length > 0)
    log.warn({ sections: waiting }, 'throughline.yaml has changed; these sections need a restart to take effect')
}

/** Sections that say something else; a line that only moved is no change. */
export function changedSections(before: Config, after: Config): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => name !== 'secrets')
  return names.filter((name) => plain(before[name as keyof Config]) !== plain(after[name as keyof Config])).sort()
}

const PLACES = new Set(['position', 'problems', 'substituted'])

function plain(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => (PLACES.has(key) ? undefined : inner)) ?? ''
}

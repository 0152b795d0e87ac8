import type { Config, ConfigProblem, ConfigResult } from './contract.js'

/** The configuration a running engine works with, and the way to change it. */
export interface LiveConfig {
  readonly current: Config
  /**
   * Reads the file again. With any error, also inside one instance, nothing changes: the last good configuration stays
   * (P14). Answers the problems found.
   */
  reload(): { readonly changed: boolean; readonly problems: readonly ConfigProblem[] }
  /** Called after a change with the new and the old configuration. Returns how to stop listening. */
  onChange(listener: (next: Config, previous: Config) => void): () => void
}

export function createLiveConfig(initial: Config, load: () => ConfigResult): LiveConfig {
  let current = initial
  const listeners = new Set<(next: Config, previous: Config) => void>()
  return {
    get current() {
      return current
    },
    reload() {
      const result = load()
      if (!result.ok || result.problems.some((item) => item.severity === 'error')) {
        return { changed: false, problems: result.problems }
      }
      const previous = current
      current = result.config
      for (const listener of listeners) listener(current, previous)
      return { changed: true, problems: result.problems }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

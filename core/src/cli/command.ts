import type { ParseArgsConfig } from 'node:util'
import type { EngineEntry } from './engine-entry.js'

/** What a command may use of the process. Tests hand in their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Standard output: the answer. */
  out(text: string): void
  /** Standard output, bytes untouched; where it is absent, text has to do. */
  write?(bytes: Uint8Array): void
  /** Standard error: everything else. */
  err(text: string): void
  /** All of standard input, for passwords and payloads; null when it is a terminal. */
  readInput(): Promise<string | null>
}

export interface Invocation {
  readonly terminal: Terminal
  readonly positionals: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  /** Path of the configuration file: `--config`, then THROUGHLINE_CONFIG, then config/throughline.yaml. */
  readonly configFile: string
  /** Loads the engine. Commands that do not need it must not pay for it. */
  engine(): Promise<EngineEntry>
}

export type CommandOptions = NonNullable<ParseArgsConfig['options']>

export interface Command {
  /** `throughline <usage>`. */
  readonly usage: string
  /** One sentence for the list of commands. */
  readonly summary: string
  /** Further lines of `--help`. */
  readonly help?: readonly string[]
  readonly options?: CommandOptions
  /** Sub-commands; the first word after the command chooses. */
  readonly actions?: readonly string[]
  run(invocation: Invocation): Promise<number>
}

/** A mistake in how a command was called: exit code 64, one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

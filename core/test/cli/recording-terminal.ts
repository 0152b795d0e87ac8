import type { Terminal } from '../../src/cli/command.js'

export interface RecordingTerminal extends Terminal {
  readonly output: string
  readonly errors: string
}

/** A terminal that keeps what is printed. */
export function recordingTerminal(options: {
  cwd: string
  env?: Record<string, string>
  input?: string
}): RecordingTerminal {
  const out: string[] = []
  const err: string[] = []
  return {
    cwd: options.cwd,
    env: options.env ?? {},
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    readInput: () => Promise.resolve(options.input ?? null),
    get output() {
      return out.join('\n')
    },
    get errors() {
      return err.join('\n')
    },
  }
}

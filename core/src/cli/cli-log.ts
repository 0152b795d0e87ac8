import type { StoreLog } from '../store/store-log.js'
import type { Terminal } from './command.js'

/** Log of a command: warnings and errors as plain lines on standard error; the rest is for the engine's log. */
export function cliLog(terminal: Terminal): StoreLog {
  const line = (_fields: object, message: string): void => terminal.err(`throughline: ${message}`)
  const silent = (): void => undefined
  return { debug: silent, info: silent, warn: line, error: line }
}

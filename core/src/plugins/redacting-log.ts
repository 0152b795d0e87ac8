import type { Logger } from '@throughline/plugin-sdk'
import { redact } from '../config/redact.js'

const maxDepth = 6

/**
 * A log of one instance: its id on every line, secrets covered wherever their value appears, also inside longer texts,
 * keys, errors and their causes.
 */
export function redactingLog(log: Logger, instance: string, secrets: ReadonlySet<string>): Logger {
  const line =
    (level: keyof Logger) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void =>
      log[level]({ ...(clean(fields, secrets) as Record<string, unknown>), instance }, redact(String(message), secrets))
  return Object.freeze({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') })
}

/** A copy without secrets; never throws, whatever a plugin hands in (cycles, getters that throw). */
export function clean(value: unknown, secrets: ReadonlySet<string>, depth = 0): unknown {
  if (typeof value === 'string') return redact(value, secrets)
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return redact(String(value), secrets)
  if (typeof value !== 'object') return typeof value === 'undefined' ? undefined : `[${typeof value}]`
  if (depth >= maxDepth) return '[deep]'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  try {
    if (value instanceof Error) return cleanError(value, secrets, depth)
    if (Array.isArray(value)) return value.map((item) => clean(item, secrets, depth + 1))
    if (value instanceof Map || value instanceof Set) return `[${value.constructor.name} of ${value.size}]`
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [redact(key, secrets), clean(item, secrets, depth + 1)]),
    )
  } catch {
    return '[unreadable]'
  }
}

function cleanError(error: Error, secrets: ReadonlySet<string>, depth: number): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  return {
    name: redact(error.name, secrets),
    message: redact(error.message, secrets),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: redact(error.stack, secrets) }),
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, secrets, depth + 1) }),
  }
}

import pino from 'pino'
import type { Logger } from '@throughline/plugin-sdk'

/**
 * The engine's log: one JSON object a line on stdout, data in fields, messages constant. Errors keep name, code and stack;
 * their messages never hold customers' text (see errors.ts), and database errors are cut to their code.
 */
export function createLog(options: {
  readonly level: string
  readonly pretty: boolean
  readonly secrets: ReadonlySet<string>
}): Logger & { flush(): void } {
  const destination = pino.destination({ dest: 1, sync: false })
  const secrets = [...options.secrets].filter((secret) => secret.length >= 4)
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
      hooks: {
        streamWrite: (line) => secrets.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), line),
      },
    },
    destination,
  )
  return Object.assign(
    {
      debug: (fields: Readonly<Record<string, unknown>>, message: string) => log.debug(fields, message),
      info: (fields: Readonly<Record<string, unknown>>, message: string) => log.info(fields, message),
      warn: (fields: Readonly<Record<string, unknown>>, message: string) => log.warn(fields, message),
      error: (fields: Readonly<Record<string, unknown>>, message: string) => log.error(fields, message),
    },
    { flush: () => destination.flushSync() },
  )
}

const ours = /^TL_/

/** PostgreSQL puts values into messages and details ("Key (value)=(…)"): only code, table and constraint are kept. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error }
  const { name, stack, cause } = error
  const fields = error as { code?: unknown; table?: unknown; constraint?: unknown; severity?: unknown }
  const fromDatabase = typeof fields.severity === 'string'
  return {
    name,
    code: fields.code,
    ...(fromDatabase ? { table: fields.table, constraint: fields.constraint } : {}),
    ...(typeof fields.code === 'string' && ours.test(fields.code) ? { message: error.message } : {}),
    stack: stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 12)
      .join('\n'),
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  }
}

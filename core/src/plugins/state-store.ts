import { sql, type Kysely } from 'kysely'
import type { State } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'

const maxBytes = 256 * 1024

/**
 * Durable state of one instance. The instance id is bound here and part of every key: no key a plugin can write reaches
 * another instance's rows. Values expire by database time; `cas` is one statement, so of two callers one wins.
 */
export function createState(db: Kysely<Tables>, instance: string): State {
  const live = sql`(expires_at is null or expires_at > clock_timestamp())`
  return Object.freeze({
    async get<T>(key: string): Promise<T | null> {
      const { rows } = await sql<{ value: T }>`
        select value from plugin_state where instance = ${instance} and key = ${key} and ${live}`.execute(db)
      return rows[0]?.value ?? null
    },
    async set(key, value, options) {
      const ttl = options?.ttlMs ?? null
      await sql`
        insert into plugin_state (instance, key, value, expires_at)
        values (${instance}, ${key}, ${json(value)}::jsonb, clock_timestamp() + ${ttl}::float8 * interval '1 ms')
        on conflict (instance, key) do update set value = excluded.value, expires_at = excluded.expires_at`.execute(db)
    },
    async cas(key, expected, value) {
      const next = json(value)
      const { rows } =
        expected === null
          ? await sql`
              insert into plugin_state as s (instance, key, value) values (${instance}, ${key}, ${next}::jsonb)
              on conflict (instance, key) do update set value = excluded.value, expires_at = null
                where s.expires_at <= clock_timestamp()
              returning key`.execute(db)
          : await sql`
              update plugin_state set value = ${next}::jsonb, expires_at = null
              where instance = ${instance} and key = ${key} and value = ${json(expected)}::jsonb and ${live}
              returning key`.execute(db)
      return rows.length === 1
    },
    async delete(key) {
      await sql`delete from plugin_state where instance = ${instance} and key = ${key}`.execute(db)
    },
    async list(prefix) {
      const { rows } = await sql<{ key: string; value: unknown }>`
        select key, value from plugin_state
        where instance = ${instance} and starts_with(key, ${prefix}) and ${live} order by key limit 1000`.execute(db)
      return rows
    },
  } satisfies State)
}

/** Removes what has expired; reads never see it anyway. */
export async function sweepState(db: Kysely<Tables>): Promise<void> {
  await sql`delete from plugin_state where expires_at < clock_timestamp()`.execute(db)
}

function json(value: unknown): string {
  const text = JSON.stringify(value)
  if (text === undefined || value === null) throw new TypeError('a state value must be JSON and not null; use delete')
  if (text.length > maxBytes) throw new RangeError(`a state value may have ${maxBytes} bytes; store a file instead`)
  return text
}

import { createHash } from 'node:crypto'
import type pg from 'pg'
import { arrayLiteral } from './array-literal.js'

/** A statement counts as one that comes back once this process has sent it so often. */
const OFTEN = 5
/** Statements whose text varies would fill the server's memory; the engine's own come to about two hundred. */
const MOST_NAMES = 400

/**
 * Gives statements that come back a name, so that the server parses and plans them once a connection. Texts are counted for
 * the whole process; what is rare, or built anew each time, stays unnamed.
 */
export function createNames(): (text: string) => string | undefined {
  const seen = new Map<string, number>()
  const names = new Map<string, string>()
  return (text) => {
    const known = names.get(text)
    if (known !== undefined || names.size >= MOST_NAMES) return known
    const times = (seen.get(text) ?? 0) + 1
    if (times < OFTEN) {
      if (seen.size > 4 * MOST_NAMES) seen.clear()
      seen.set(text, times)
      return undefined
    }
    seen.delete(text)
    const name = `t_${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`
    names.set(text, name)
    return name
  }
}

/** `cached plan must not change result type`: a newer release changed a table under a statement that is prepared here. */
const PLAN_CHANGED = '0A000'

/** Makes every parameterised statement of this connection go through `nameOf`, its arrays encoded by us. */
export function prepareStatements(client: pg.PoolClient, nameOf: (text: string) => string | undefined): void {
  const query = client.query.bind(client) as (...given: unknown[]) => unknown
  const named = (...given: unknown[]): unknown => {
    const [text, values] = given
    if (given.length !== 2 || typeof text !== 'string' || !Array.isArray(values) || values.length === 0)
      return query(...given)
    const encoded = values.map((value: unknown) => (Array.isArray(value) ? (arrayLiteral(value) ?? value) : value))
    const name = nameOf(text)
    if (name === undefined) return query(text, encoded)
    const answer = query({ name, text, values: encoded }) as Promise<unknown>
    answer.catch((error: unknown) => {
      // The connection is of no use for this statement any more: the pool makes a new one in its place.
      if ((error as { code?: string }).code === PLAN_CHANGED) void client.end().catch(() => undefined)
    })
    return answer
  }
  ;(client as { query: unknown }).query = named
}

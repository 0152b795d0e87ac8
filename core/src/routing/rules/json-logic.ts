/** The ground rules of JSON-logic that everything else stands on. */

/** JSON-logic's truth: as in JavaScript, but an empty list is false. */
export function truthy(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value)
}

/** A node with exactly one key is logic, everything else is data. */
export function isLogic(node: unknown): node is Readonly<Record<string, unknown>> {
  return typeof node === 'object' && node !== null && !Array.isArray(node) && Object.keys(node).length === 1
}

/**
 * What `var` reads. Own properties only: json-logic-js also answers with what a prototype has, and so tells rules that
 * "constructor" is present; here that is simply not there.
 */
export function readPath(data: unknown, path: unknown, fallback: unknown): unknown {
  if (path === undefined || path === '' || path === null) return data
  const steps = stepsOf(path)
  return steps === null ? fallback : walk(data, steps, fallback)
}

/** null: an object names no path. */
export function stepsOf(path: unknown): readonly string[] | null {
  if (typeof path === 'string') return path.split('.')
  if (typeof path === 'number' || typeof path === 'boolean') return String(path).split('.')
  return Array.isArray(path) ? path.join(',').split('.') : null
}

export function walk(data: unknown, steps: readonly string[], fallback: unknown): unknown {
  let at = data
  for (const step of steps) {
    if (at === null || at === undefined || !Object.hasOwn(at, step)) return fallback
    at = (at as Record<string, unknown>)[step]
    if (at === undefined) return fallback
  }
  return at
}

import { isLogic } from './json-logic.js'

/** What a rule file asks for: facts that cost something are loaded only when a live file names them. */
export interface Uses {
  readonly operators: ReadonlySet<string>
  /** Dotted paths of `var` and `val`, as written. */
  readonly facts: ReadonlySet<string>
}

/** Over conditions that have passed the checks: paths are literal texts there. */
export function usesOf(conditions: readonly unknown[]): Uses {
  const operators = new Set<string>()
  const facts = new Set<string>()
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (!isLogic(node)) return
    const name = Object.keys(node)[0] ?? ''
    const raw = node[name]
    operators.add(name)
    if (name === 'var') facts.add(String(Array.isArray(raw) ? raw[0] : raw))
    else if (name === 'val' || name === 'missing') {
      const steps = [raw].flat(2)
      if (name === 'val') facts.add(steps.join('.'))
      else for (const path of steps) facts.add(String(path))
    }
    visit(raw)
  }
  conditions.forEach(visit)
  return Object.freeze({ operators, facts })
}

/** Some path at or below this root is read. */
export function readsFact(uses: Uses, root: string): boolean {
  for (const path of uses.facts) if (path === root || path.startsWith(`${root}.`)) return true
  return false
}

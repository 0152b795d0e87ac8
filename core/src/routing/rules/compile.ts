import { FUEL, OutOfFuel } from './fuel.js'
import { isLogic, readPath, stepsOf, truthy, walk } from './json-logic.js'
import type { FileData, Operator, Run } from './operator.js'

/** A rule turned into closures once; nothing is generated as text and nothing is evaluated as code. */
export type Compiled = (scope: unknown, run: Run) => unknown

export interface CompileContext {
  readonly operators: ReadonlyMap<string, Operator>
  readonly file: FileData
}

export { FUEL, OutOfFuel }

function burn(run: Run): void {
  if (--run.fuel < 0) throw new OutOfFuel()
}

/** json-logic-js semantics. Trees come checked by the linter; an unknown operator here is a fault of the caller. */
export function compile(node: unknown, context: CompileContext): Compiled {
  if (Array.isArray(node)) return compileList(node, context)
  if (!isLogic(node)) return () => node
  const name = Object.keys(node)[0] ?? ''
  const raw = node[name]
  const args: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  const form = Object.hasOwn(forms, name) ? forms[name] : undefined
  if (form !== undefined) return form(args, context)
  const found = context.operators.get(name)
  if (found === undefined) throw new Error(`unknown operator ${name}`)
  return compileEager(found, args, context)
}

function compileList(nodes: readonly unknown[], context: CompileContext): Compiled {
  const items = nodes.map((node) => (isConstant(node) ? null : compile(node, context)))
  if (items.every((item) => item === null)) return () => nodes
  return (scope, run) =>
    nodes.map((node, index) => {
      const item = items[index]
      return item ? item(scope, run) : node
    })
}

function isConstant(node: unknown): boolean {
  return Array.isArray(node) ? node.every(isConstant) : !isLogic(node)
}

function compileEager(found: Operator, nodes: readonly unknown[], context: CompileContext): Compiled {
  const { fn, pair } = found
  const { file } = context
  const args = nodes.map((node) => compile(node, context))
  const [first, second] = args
  if (args.length === 1 && first) {
    return (scope, run) => (burn(run), fn([first(scope, run)], run, scope, file))
  }
  if (args.length === 2 && first && second) {
    if (pair !== undefined && isConstant(nodes[1])) {
      const [, constant] = nodes
      return (scope, run) => (burn(run), pair(first(scope, run), constant))
    }
    if (pair !== undefined) return (scope, run) => (burn(run), pair(first(scope, run), second(scope, run)))
    return (scope, run) => (burn(run), fn([first(scope, run), second(scope, run)], run, scope, file))
  }
  return (scope, run) => {
    burn(run)
    return fn(
      args.map((arg) => arg(scope, run)),
      run,
      scope,
      file,
    )
  }
}

type Form = (args: readonly unknown[], context: CompileContext) => Compiled

/** Operators that decide themselves what is evaluated, and over which scope. */
const forms: Readonly<Record<string, Form>> = Object.freeze({
  var: compileVar,
  val: (args, context) => {
    const steps = args.map((arg) => compile(arg, context))
    return (scope, run) => {
      burn(run)
      return walk(scope, steps.flatMap((step) => [step(scope, run)].flat()).map(String), null)
    }
  },
  if: compileIf,
  '?:': compileIf,
  and: (args, context) => compileUntil(args, context, false),
  or: (args, context) => compileUntil(args, context, true),
  map: (args, context) => overList(args, context, [], (list, body, run) => list.map((item) => body(item, run))),
  filter: (args, context) =>
    overList(args, context, [], (list, body, run) => list.filter((item) => truthy(body(item, run)))),
  all: (args, context) =>
    overList(
      args,
      context,
      false,
      (list, body, run) => list.length > 0 && list.every((item) => truthy(body(item, run))),
    ),
  some: (args, context) =>
    overList(args, context, false, (list, body, run) => list.some((item) => truthy(body(item, run)))),
  none: (args, context) =>
    overList(args, context, true, (list, body, run) => !list.some((item) => truthy(body(item, run)))),
  reduce: compileReduce,
})

export const formNames: ReadonlySet<string> = new Set(Object.keys(forms))

function compileVar(args: readonly unknown[], context: CompileContext): Compiled {
  const [path] = args
  const fallback = args.length > 1 ? compile(args[1], context) : null
  const orElse = (scope: unknown, run: Run): unknown => {
    const value = fallback?.(scope, run)
    return value === undefined ? null : value
  }
  if (isConstant(path) && !Array.isArray(path)) {
    if (path === undefined || path === '' || path === null) return (scope) => scope
    const steps = stepsOf(path) ?? []
    const [first, second] = steps
    if (fallback === null && steps.length === 2 && first !== undefined && second !== undefined)
      return (scope, run) => (burn(run), read(read(scope, first), second))
    if (fallback === null) return (scope, run) => (burn(run), walk(scope, steps, null))
    return (scope, run) => (burn(run), walk(scope, steps, orElse(scope, run)))
  }
  const computed = compile(path, context)
  return (scope, run) => (burn(run), readPath(scope, computed(scope, run), orElse(scope, run)))
}

/** One step of `walk`: what almost every fact is two of. */
function read(at: unknown, step: string): unknown {
  if (at === null || at === undefined || !Object.hasOwn(at, step)) return null
  const value = (at as Record<string, unknown>)[step]
  return value === undefined ? null : value
}

function compileIf(args: readonly unknown[], context: CompileContext): Compiled {
  const parts = args.map((arg) => compile(arg, context))
  return (scope, run) => {
    burn(run)
    for (let at = 0; at < parts.length; at += 2) {
      const [test, then] = [parts[at], parts[at + 1]]
      if (then === undefined) return test?.(scope, run)
      if (truthy(test?.(scope, run))) return then(scope, run)
    }
    return null
  }
}

/** `and` stops at the first false part, `or` at the first true one; both answer with the value they stopped at. */
function compileUntil(args: readonly unknown[], context: CompileContext, stopAt: boolean): Compiled {
  const parts = args.map((arg) => compile(arg, context))
  return (scope, run) => {
    burn(run)
    let value: unknown
    for (const part of parts) {
      value = part(scope, run)
      if (truthy(value) === stopAt) return value
    }
    return value
  }
}

function overList(
  args: readonly unknown[],
  context: CompileContext,
  otherwise: unknown,
  apply: (list: readonly unknown[], body: Compiled, run: Run) => unknown,
): Compiled {
  const list = compile(args[0], context)
  const body = compile(args[1], context)
  const step: Compiled = (item, run) => (burn(run), body(item, run))
  return (scope, run) => {
    burn(run)
    const items = list(scope, run)
    return Array.isArray(items) ? apply(items, step, run) : otherwise
  }
}

function compileReduce(args: readonly unknown[], context: CompileContext): Compiled {
  const list = compile(args[0], context)
  const body = compile(args[1], context)
  const initial = args[2] === undefined ? () => null : compile(args[2], context)
  return (scope, run) => {
    burn(run)
    const items = list(scope, run)
    const start = initial(scope, run)
    if (!Array.isArray(items)) return start
    return items.reduce<unknown>((accumulator, current: unknown) => {
      burn(run)
      return body({ current, accumulator }, run)
    }, start)
  }
}

import type { RuleType } from '@throughline/plugin-sdk'
import { didYouMean } from '../../suggest.js'
import { factAt, factPaths, type FactFields, type FactType } from '../fact-schema.js'
import { formNames } from './compile.js'
import { pointerTo } from './json-source.js'
import { lintCall } from './lint-call.js'
import type { FileData, Operator } from './operator.js'
import type { KnownNames } from './lint-then.js'
import type { RuleReport } from './report.js'

/** What the names in an expression mean: facts, or the elements of a list inside map, filter and the like. */
type Scope = { readonly facts: FactFields } | { readonly element: FactType; readonly names?: readonly string[] }

export interface LintContext {
  readonly facts: FactFields
  readonly operators: ReadonlyMap<string, Operator>
  readonly file: FileData
  readonly report: RuleReport
  /** Names of the configuration, for operators that take some. */
  readonly names?: KnownNames
}

const MAX_DEPTH = 32
const MAX_NODES = 500
const MAX_TEXT = 1_024
const MAX_LIST = 1_000
const ANY: FactType = Object.freeze({ type: 'any', nullable: false })
const type = (name: RuleType, nullable = false): FactType => ({ type: name, nullable })
const REMOVED: Readonly<Record<string, string>> = Object.freeze({
  log: 'Remove it: the trace of `throughline rules explain` shows what a rule saw.',
  method: 'Remove it: rules cannot call methods.',
})

/** Checks one condition completely; every finding is reported, none stops the check. */
export function lintExpression(node: unknown, pointer: string, context: LintContext): FactType {
  return new Linter(context).visit(node, pointer, 1, { facts: context.facts })
}

class Linter {
  readonly #context: LintContext
  #nodes = 0

  constructor(context: LintContext) {
    this.#context = context
  }

  visit(node: unknown, pointer: string, depth: number, scope: Scope): FactType {
    const { report } = this.#context
    if (++this.#nodes > MAX_NODES) {
      if (this.#nodes === MAX_NODES + 1)
        report.error(pointer, `the condition has more than ${MAX_NODES} nodes`, 'Split it into several rules.')
      return ANY
    }
    if (depth > MAX_DEPTH) {
      report.error(pointer, `nested deeper than ${MAX_DEPTH} levels`, 'Write the condition flatter, or split the rule.')
      return ANY
    }
    if (Array.isArray(node)) return this.#list(node, pointer, depth, scope)
    if (typeof node !== 'object' || node === null) return this.#literal(node, pointer)
    const keys = Object.keys(node)
    const [name] = keys
    if (name === undefined || keys.length !== 1) {
      const found =
        name === undefined
          ? 'none'
          : keys
              .slice(0, 5)
              .map((key) => `"${key.slice(0, 40)}"`)
              .join(', ')
      report.error(
        pointer,
        `a condition has exactly one operator, here: ${found}`,
        'Join several conditions with {"and": [ … ]}.',
      )
      return ANY
    }
    const raw = (node as Readonly<Record<string, unknown>>)[name]
    const at = pointerTo(pointer, name)
    const args: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
    const place = (index: number): string => (Array.isArray(raw) ? pointerTo(at, index) : at)
    if (name === 'var') return this.#variable(args, place, scope)
    if (name === 'val') return this.#value(args, place, scope)
    if (formNames.has(name)) return this.#form(name, args, place, depth, scope, pointer)
    const operator = this.#context.operators.get(name)
    if (operator === undefined) {
      this.#unknown(name, pointer)
      for (const [index, arg] of args.entries()) this.visit(arg, place(index), depth + 1, scope)
      return ANY
    }
    return this.#operator(name, operator, args, place, depth, scope, pointer)
  }

  #literal(value: unknown, pointer: string): FactType {
    if (value === null) return type('any', true)
    if (typeof value === 'string' && value.length > MAX_TEXT) {
      this.#context.report.error(pointer, `a text of more than ${MAX_TEXT} characters`, 'Shorten it.')
    }
    return type(typeof value as RuleType)
  }

  #list(items: readonly unknown[], pointer: string, depth: number, scope: Scope): FactType {
    if (items.length > MAX_LIST) {
      this.#context.report.error(
        pointer,
        `a list of more than ${MAX_LIST} elements`,
        'Put them into "tables" and use lookup.',
      )
      return ANY
    }
    // A plain list is one node however long it is: lists of words are the usual way to write a topic.
    const plain = items.every((item) => typeof item !== 'object' || item === null)
    const types = plain
      ? items.map((item, index) => this.#literal(item, pointerTo(pointer, index)).type)
      : items.map((item, index) => this.visit(item, pointerTo(pointer, index), depth + 1, scope).type)
    if (types.every((item) => item === 'string')) return type('string[]')
    return types.length > 0 && types.every((item) => item === 'number') ? type('number[]') : ANY
  }

  #unknown(name: string, pointer: string): void {
    const removed = Object.hasOwn(REMOVED, name) ? REMOVED[name] : undefined
    const known = [...this.#context.operators.keys(), ...formNames]
    const near = removed === undefined ? didYouMean(name, known) : ''
    const remedy =
      removed ??
      (name.includes(':')
        ? 'Install the plugin that provides it.'
        : 'Use an operator of docs/reference/rule-operators.md.')
    const message =
      removed === undefined
        ? `"${name.slice(0, 60)}" is not an operator${near}`
        : `the operator "${name}" is not allowed`
    this.#context.report.error(pointer, message, remedy, 'TL_RULES_OPERATOR_UNKNOWN')
  }

  #variable(args: readonly unknown[], place: (index: number) => string, scope: Scope): FactType {
    const { report } = this.#context
    const [path] = args
    if (typeof path !== 'string') {
      report.error(
        place(0),
        '"var" takes the path of a fact as a text',
        'Write {"var": "contact.tier"}; for keys of a table use lookup.',
      )
      return ANY
    }
    if (args.length > 2) report.error(place(2), '"var" takes a path and at most one default', 'Remove the rest.')
    const found = this.#path(
      path.split('.').filter((step) => step !== ''),
      path,
      place(0),
      scope,
    )
    // A default stands in for what is absent, not for a stored null: that is what the operator `default` is for.
    return found
  }

  #value(args: readonly unknown[], place: (index: number) => string, scope: Scope): FactType {
    const steps = args.flat()
    if (steps.every((step) => typeof step === 'string')) return this.#path(steps, steps.join('.'), place(0), scope)
    this.#context.report.error(
      place(0),
      '"val" takes the steps of a path as texts',
      'Write {"val": ["contact", "attributes", "a.b"]}.',
    )
    return ANY
  }

  #path(steps: readonly string[], written: string, pointer: string, scope: Scope): FactType {
    const { report, facts } = this.#context
    const forbidden = steps.find((step) => ['__proto__', 'prototype', 'constructor'].includes(step))
    if (forbidden !== undefined) {
      report.error(pointer, `"${forbidden}" cannot be read`, 'Name a fact of docs/reference/rule-operators.md.')
      return ANY
    }
    if ('facts' in scope) {
      const found = factAt(scope.facts, steps)
      if (found !== null) return found
      const message = `there is no fact "${written.slice(0, 80)}"${didYouMean(written, factPaths(facts))}`
      report.error(pointer, message, 'Name a fact of docs/reference/rule-operators.md, or one a plugin provides.')
      return ANY
    }
    const [first] = steps
    if (first === undefined) return scope.names === undefined ? scope.element : ANY
    if (scope.names?.includes(first)) return steps.length === 1 && first === 'current' ? scope.element : ANY
    if (scope.names === undefined && ['any', 'object'].includes(scope.element.type)) return type('any', true)
    const visible = scope.names === undefined ? 'the element: {"var": ""}' : scope.names.join(' and ')
    report.error(
      pointer,
      `inside a list operator only ${visible} can be read, not "${written.slice(0, 80)}"`,
      'Move the other condition outside with {"and": [ … ]}.',
    )
    return ANY
  }

  #form(
    name: string,
    args: readonly unknown[],
    place: (index: number) => string,
    depth: number,
    scope: Scope,
    pointer: string,
  ): FactType {
    if (['if', '?:', 'and', 'or'].includes(name)) {
      if (args.length === 0)
        this.#context.report.error(
          pointer,
          `"${name}" needs at least one argument`,
          'Give it its conditions as a list.',
        )
      const types = args.map((arg, index) => this.visit(arg, place(index), depth + 1, scope))
      const [first] = types
      return first !== undefined && types.every((item) => item.type === first.type)
        ? { ...first, nullable: types.some((item) => item.nullable) }
        : ANY
    }
    const wanted = name === 'reduce' ? 3 : 2
    if (args.length < 2 || args.length > wanted) {
      this.#context.report.error(
        pointer,
        `"${name}" takes ${name === 'reduce' ? 'a list, an expression and a start' : 'a list and an expression'}`,
        'Correct the number of arguments.',
      )
      return ANY
    }
    const list = this.visit(args[0], place(0), depth + 1, scope)
    if (['string', 'number', 'boolean', 'instant'].includes(list.type)) {
      this.#context.report.error(
        place(0),
        `"${name}" works on a list, this is a ${list.type}`,
        'Name a fact that is a list.',
      )
    }
    const element =
      list.type === 'string[]' ? type('string') : list.type === 'number[]' ? type('number') : type('any', true)
    const inner: Scope = name === 'reduce' ? { element, names: ['current', 'accumulator'] } : { element }
    this.visit(args[1], place(1), depth + 1, inner)
    if (args[2] !== undefined) this.visit(args[2], place(2), depth + 1, scope)
    if (name === 'filter') return { type: list.type, nullable: false }
    return ['all', 'some', 'none'].includes(name) ? type('boolean') : ANY
  }

  #operator(
    name: string,
    operator: Operator,
    args: readonly unknown[],
    place: (index: number) => string,
    depth: number,
    scope: Scope,
    pointer: string,
  ): FactType {
    const types = args.map((arg, index) => this.visit(arg, place(index), depth + 1, scope))
    if (name === 'missing' || name === 'missing_some') {
      const keys = name === 'missing' ? args.flat() : [args[1]].flat()
      for (const key of keys) if (typeof key === 'string') this.#path(key.split('.'), key, pointer, scope)
    }
    return lintCall({ name, operator, args, types, place, pointer }, this.#context)
  }
}

import type { RuleType } from '@throughline/plugin-sdk'
import type { Calendars } from '../../calendars/contract.js'
import type { KnownNames } from './lint-then.js'

/** What operators see of one evaluation besides their arguments. */
export interface Run {
  /** The facts, for `missing`, `lookup` and the like. */
  readonly facts: unknown
  /** The `now` fact in milliseconds; null when the facts have none. Rules know no other clock. */
  readonly now: number | null
  /** Steps left. Below zero the evaluation ends with an error: a rule may be slow, never endless. */
  fuel: number
  /** An operator of a plugin that took too long in this evaluation. It cannot be interrupted, only told. */
  slow?: string | undefined
}

/** Tables and orders that stand in the rule file itself. */
export interface FileData {
  readonly tables: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly tiers: readonly string[]
  /** Those of the configuration. */
  readonly calendars?: Calendars
}

/** An operator whose arguments are evaluated first. Pure; never throws for a null. */
export interface Operator {
  readonly arity: readonly [min: number, max: number]
  /** Types by position; the last one holds for all further arguments. */
  readonly args: readonly RuleType[]
  readonly result: RuleType
  /** Null arguments are handled; otherwise a nullable fact in its place is reported by the linter. */
  readonly nullSafe: boolean
  /** May answer null although no argument is null. */
  readonly nullable?: boolean
  /** Looks at what is written as a literal: names, networks, levels. */
  readonly check?: (call: LiteralCheck) => void
  readonly fn: (args: readonly unknown[], run: Run, scope: unknown, file: FileData) => unknown
  /** The same of exactly two arguments, without a list of them: most conditions of most files are such. */
  readonly pair?: (a: unknown, b: unknown) => unknown
}

export function operator(
  arity: Operator['arity'],
  args: readonly RuleType[],
  result: RuleType,
  fn: Operator['fn'],
  nullSafe = true,
): Operator {
  return Object.freeze({ arity, args, result, fn, nullSafe })
}

export function pairOperator(
  args: readonly RuleType[],
  result: RuleType,
  pair: (a: unknown, b: unknown) => unknown,
  nullSafe = true,
): Operator {
  return Object.freeze({ ...operator([2, 2], args, result, ([a, b]) => pair(a, b), nullSafe), pair })
}

/** Arguments as written: literals, and logic where something is computed. */
export interface LiteralCheck {
  readonly args: readonly unknown[]
  readonly names: KnownNames
  readonly file: FileData
  readonly error: (index: number, message: string, remedy?: string) => void
}

export function checked(of: Operator, check: (call: LiteralCheck) => void): Operator {
  return Object.freeze({ ...of, check })
}

export const MANY = 100

import type { RuleType } from '@throughline/plugin-sdk'
import { didYouMean } from '../../suggest.js'
import type { FactType } from '../fact-schema.js'
import { instant } from './business-operators.js'
import type { FileData, Operator } from './operator.js'
import type { KnownNames } from './lint-then.js'
import type { RuleReport } from './report.js'

/** An operator with its arguments, whose types are known. */
export interface Call {
  readonly name: string
  readonly operator: Operator
  readonly args: readonly unknown[]
  readonly types: readonly FactType[]
  readonly place: (index: number) => string
  readonly pointer: string
}

interface Context {
  readonly report: RuleReport
  readonly file: FileData
  readonly names?: KnownNames
}

/** The operator that is calm about null, for each comparison that is not. */
const CALM: Readonly<Record<string, string>> = Object.freeze({
  '<': 'num_lt',
  '<=': 'num_lte',
  '>': 'num_gt',
  '>=': 'num_gte',
})

/** Number, types and names of the arguments. Answers the type of the result. */
export function lintCall(call: Call, context: Context): FactType {
  const { name, operator, types } = call
  checkCount(call, context)
  types.forEach((_found, index) => checkArgument(call, index, context))
  if (name in CALM) checkComparison(call, context)
  checkNames(call, context)
  checkLiterals(call, context)
  if (name === 'default' || name === 'coalesce') {
    return { type: types[0]?.type ?? 'any', nullable: types.at(-1)?.nullable ?? true }
  }
  // Only the two time differences answer null, and only for a time that is null or unreadable.
  const nullable = (name === 'minutes_since' || name === 'seconds_until') && types.some((item) => item.nullable)
  return { type: operator.result, nullable: nullable || name === 'lookup' || operator.nullable === true }
}

function checkCount({ name, operator, args, pointer }: Call, { report }: Context): void {
  const [min, max] = operator.arity
  if (args.length >= min && args.length <= max) return
  const count = min === max ? String(min) : max >= 100 ? `at least ${min}` : `${min} to ${max}`
  const message = `"${name}" takes ${count} argument${count === '1' ? '' : 's'}, here are ${args.length}`
  report.error(pointer, message, 'Correct the number of arguments.')
}

function checkArgument({ name, operator, args, types, place }: Call, index: number, { report }: Context): void {
  const found = types[index] ?? { type: 'any', nullable: false }
  const arg = args[index]
  const wanted = operator.args[Math.min(index, operator.args.length - 1)] ?? 'any'
  if (wanted === 'instant' && typeof arg === 'string') {
    const remedy = 'Write ISO 8601 with an offset: 2026-05-01T09:00:00+02:00.'
    if (instant(arg) === null) report.error(place(index), `"${arg.slice(0, 40)}" is not a time`, remedy)
  } else if (!fits(found.type, wanted)) {
    report.error(
      place(index),
      `"${name}" takes a ${wanted} here, this is a ${found.type}`,
      'Compare things of one kind.',
    )
  }
  if (found.nullable && !operator.nullSafe && !(name in CALM)) {
    const remedy = 'Give it a value for that case: {"default": [ …, 0 ]}.'
    report.error(place(index), `this may be null, and "${name}" does not handle that`, remedy)
  }
}

function checkComparison({ name, types, pointer }: Call, { report }: Context): void {
  if (types.some((item) => item.nullable)) {
    const remedy = `Use "${CALM[name] ?? ''}", or {"default": [ …, value ]}.`
    report.error(pointer, `one side of "${name}" may be null, and null counts as 0 here`, remedy)
  }
  const kinds = new Set(types.map((item) => item.type).filter((item) => item !== 'any'))
  if (kinds.has('instant')) report.error(pointer, `"${name}" compares times as texts`, 'Use "before" or "after".')
  else if (kinds.size > 1) {
    report.error(pointer, `"${name}" compares a ${[...kinds].join(' with a ')}`, 'Compare things of one kind.')
  }
}

function checkNames({ name, args, place }: Call, { report, file }: Context): void {
  const [table] = args
  if (name === 'lookup' && typeof table === 'string' && !Object.hasOwn(file.tables, table)) {
    const near = didYouMean(table, Object.keys(file.tables))
    report.error(place(0), `there is no table "${table.slice(0, 60)}"${near}`, 'Add it under "tables" of this file.')
  }
  if (name !== 'tier_gte') return
  args.forEach((tier, index) => {
    if (typeof tier !== 'string' || file.tiers.includes(tier)) return
    const message = `"${tier.slice(0, 60)}" is not one of the tiers${didYouMean(tier, file.tiers)}`
    report.error(place(index), message, 'List the tiers of this file from low to high: "tiers": ["basic", "vip"].')
  })
}

function checkLiterals({ operator, args, place }: Call, { report, file, names }: Context): void {
  if (names === undefined) return
  const error = (index: number, message: string, remedy = 'Correct it here, or define it in throughline.yaml.') =>
    report.error(place(index), message, remedy)
  operator.check?.({ args, names, file, error })
}

function fits(found: FactType['type'], wanted: RuleType): boolean {
  if (found === 'any' || wanted === 'any' || found === wanted) return true
  return wanted === 'string' && found === 'instant'
}

import type { RuleFileKind } from '../contract.js'
import type { FactFields } from '../fact-schema.js'
import { pointerTo, type Json, type JsonSource } from './json-source.js'
import { lintExpression } from './lint-expression.js'
import { lintEscalationThen, lintSlaThen } from './lint-sla.js'
import { checkKeys, lintContinuityThen, lintRoutingThen, type KnownNames } from './lint-then.js'
import type { FileData, Operator } from './operator.js'
import type { RuleReport } from './report.js'

export interface RuleShape {
  readonly id: string
  readonly when: Json
  readonly then: Readonly<Record<string, Json>>
  readonly stop: boolean
}
export interface TestShape {
  readonly facts: Readonly<Record<string, Json>>
  readonly expect: Json
  readonly pointer: string
}
/** A rule file that passed every check. */
export interface FileShape {
  readonly version: string
  readonly rules: readonly RuleShape[]
  readonly tests: readonly TestShape[]
  readonly file: FileData
}

type Fields = Readonly<Record<string, Json>>
const MAX_RULES = 500
const anything = (): void => undefined
const lintThen: Readonly<Record<RuleFileKind, typeof lintRoutingThen>> = Object.freeze({
  routing: lintRoutingThen,
  continuity: lintContinuityThen,
  sla: lintSlaThen,
  escalation: lintEscalationThen,
})

export function lintFile(input: {
  readonly source: JsonSource
  readonly kind: RuleFileKind
  readonly facts: FactFields
  readonly operators: ReadonlyMap<string, Operator>
  readonly names: KnownNames
  readonly report: RuleReport
}): FileShape | null {
  const { source, report } = input
  const root = fields(source.value)
  if (root === null) {
    report.error('', 'a rule file is a JSON object', 'Write { "$version": "1", "rules": [ … ], "tests": [ … ] }.')
    return null
  }
  const known = {
    $schema: anything,
    $version: anything,
    description: anything,
    rules: anything,
    tests: anything,
    tables: anything,
    tiers: anything,
  }
  checkKeys(source.value, '', report, known, input.names)
  const version = root['$version']
  if (typeof version !== 'string' || version === '' || version.length > 100) {
    report.error(
      '/$version',
      'the file has no version',
      'Add "$version": "2026-05-01.1" and change it with every edit.',
    )
  }
  const { calendars } = input.names
  const file = { ...readFileData(root, report), ...(calendars === undefined ? {} : { calendars }) }
  const rules = readRules(root['rules'], input, file)
  const tests = readTests(root['tests'], report)
  return { version: typeof version === 'string' ? version : '', rules, tests, file }
}

function readFileData(root: Fields, report: RuleReport): FileData {
  const tables: Record<string, Fields> = {}
  const written = root['tables']
  if (written !== undefined) {
    const all = fields(written)
    if (all === null)
      report.error('/tables', 'tables are an object of objects', 'Write { "holidays": { "2026-12-25": true } }.')
    for (const [name, rows] of Object.entries(all ?? {})) {
      const table = fields(rows)
      if (table === null) report.error(pointerTo('/tables', name), 'a table is an object', 'Write { "key": value }.')
      else tables[name] = table
    }
  }
  const tiers = root['tiers']
  const valid = tiers === undefined || (Array.isArray(tiers) && tiers.every((tier) => typeof tier === 'string'))
  if (!valid) report.error('/tiers', 'tiers are a list of names, from low to high', 'Write ["basic", "vip"].')
  return { tables, tiers: valid ? (tiers ?? []) : [] }
}

function readRules(
  value: Json | undefined,
  input: Parameters<typeof lintFile>[0],
  file: FileData,
): readonly RuleShape[] {
  const { report, kind } = input
  if (!Array.isArray(value) || value.length === 0) {
    report.error('/rules', '"rules" is a list of at least one rule', 'Write [ { "id": …, "when": …, "then": … } ].')
    return []
  }
  if (value.length > MAX_RULES)
    report.error('/rules', `more than ${MAX_RULES} rules`, 'Use tables and lookup instead of a rule for each case.')
  const seen = new Set<string>()
  let final: string | null = null
  const rules = value.slice(0, MAX_RULES).flatMap((item: Json, index): RuleShape[] => {
    const pointer = pointerTo('/rules', index)
    const rule = fields(item)
    if (rule === null) {
      report.error(pointer, 'a rule is an object', 'Write { "id": …, "when": …, "then": … }.')
      return []
    }
    checkKeys(
      item,
      pointer,
      report,
      { id: anything, description: anything, when: anything, then: anything, stop: anything },
      input.names,
    )
    const { id, when, then, stop } = rule
    if (typeof id !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,59}$/i.test(id)) {
      report.error(`${pointer}/id`, 'a rule needs an id of letters, digits, - and _', 'Add "id": "vip".')
    } else if (seen.has(id))
      report.error(`${pointer}/id`, `there are two rules with the id "${id}"`, 'Give each rule an id of its own.')
    else seen.add(id)
    if (when === undefined) report.error(pointer, 'the rule has no condition', 'Add "when": a condition, or true.')
    else
      lintExpression(when, `${pointer}/when`, {
        facts: input.facts,
        operators: input.operators,
        file,
        report,
        names: input.names,
      })
    if (stop !== undefined && typeof stop !== 'boolean')
      report.error(`${pointer}/stop`, '"stop" is true or false', 'Write true or false.')
    if (then === undefined) report.error(pointer, 'the rule does not say what happens', 'Add "then": { … }.')
    else lintThen[kind](then, `${pointer}/then`, report, input.names)
    if (final !== null)
      report.warning(
        pointer,
        `the rule is never reached: "${final}" always matches and stops`,
        'Move it up, or remove it.',
      )
    const ends = stop === true || kind === 'continuity' || kind === 'sla'
    if (when === true && ends && final === null && typeof id === 'string') final = id
    return [
      {
        id: typeof id === 'string' ? id : '',
        when: when ?? false,
        then: fields(then ?? null) ?? {},
        stop: stop === true,
      },
    ]
  })
  if (kind !== 'escalation' && rules.length > 0 && rules.at(-1)?.when !== true) {
    report.warning(
      '/rules',
      'the last rule has a condition: what no rule matches takes the default',
      'End with a rule whose "when" is true.',
    )
  }
  return rules
}

function readTests(value: Json | undefined, report: RuleReport): readonly TestShape[] {
  if (value === undefined) {
    report.warning('', 'the file has no tests', 'Add "tests": [ { "facts": { … }, "expect": "rule id" } ].')
    return []
  }
  if (!Array.isArray(value)) {
    report.error('/tests', '"tests" is a list', 'Write [ { "facts": { … }, "expect": "rule id" } ].')
    return []
  }
  return value.flatMap((item: Json, index): TestShape[] => {
    const pointer = pointerTo('/tests', index)
    const test = fields(item)
    const facts = fields(test?.['facts'] ?? null)
    if (test === null || facts === null || !('expect' in test)) {
      report.error(pointer, 'a test has "facts" and "expect"', 'Write { "facts": { … }, "expect": "rule id" }.')
      return []
    }
    return [{ facts, expect: test['expect'] ?? null, pointer }]
  })
}

function fields(value: Json): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

import { isDeepStrictEqual } from 'node:util'
import { didYouMean } from '../../suggest.js'
import type { RuleResult } from '../contract.js'
import { factAt, factPaths, type FactFields } from '../fact-schema.js'
import { pointerTo, type Json } from './json-source.js'
import type { FileShape } from './lint-file.js'
import type { RuleReport } from './report.js'

/**
 * Runs the tests a rule file carries. `expect` is a rule's id, null for "no rule decides", or an object with `rule`, `then`
 * (compared by the keys written) and `matched`. A file whose tests fail never goes live.
 */
export function runFileTests(input: {
  readonly shape: FileShape
  readonly facts: FactFields
  readonly report: RuleReport
  readonly evaluate: (facts: Readonly<Record<string, unknown>>) => RuleResult | null
}): void {
  const { shape, report } = input
  for (const test of shape.tests) {
    checkFactNames(test.facts, `${test.pointer}/facts`, [], input)
    const result = input.evaluate(test.facts)
    const wrong = compare(test.expect, result, shape)
    if (wrong !== null)
      report.error(
        `${test.pointer}/expect`,
        `this test fails: ${wrong}`,
        'Correct the rules, or what the test expects.',
      )
    for (const id of result?.trace.failed ?? []) {
      report.error(
        test.pointer,
        `rule "${id}" fails on the facts of this test`,
        'Guard the condition against these facts.',
      )
    }
  }
}

function compare(expect: Json, result: RuleResult | null, shape: FileShape): string | null {
  const got = result === null ? 'no rule decided' : `rule "${result.rule}" decided`
  if (expect === null || typeof expect === 'string') {
    if (typeof expect === 'string' && !shape.rules.some((rule) => rule.id === expect)) {
      return `there is no rule "${expect.slice(0, 60)}"${didYouMean(
        expect,
        shape.rules.map((rule) => rule.id),
      )}`
    }
    return (result?.rule ?? null) === expect ? null : got
  }
  if (typeof expect !== 'object' || Array.isArray(expect)) return '"expect" is a rule id, null, or an object'
  const wanted = expect as Readonly<Record<string, Json>>
  const stranger = Object.keys(wanted).find((key) => !['rule', 'then', 'matched'].includes(key))
  if (stranger !== undefined) return `"expect" knows rule, then and matched, not "${stranger.slice(0, 60)}"`
  if ('rule' in wanted && (result?.rule ?? null) !== wanted['rule']) return got
  if ('matched' in wanted && !same(result?.trace.matched ?? [], wanted['matched'])) {
    return `matched: ${(result?.trace.matched ?? []).join(', ')}`
  }
  for (const [key, value] of Object.entries((wanted['then'] ?? {}) as Readonly<Record<string, Json>>)) {
    const actual = result?.then[key]
    if (!same(actual, value)) return `${got}, and "${key}" is ${JSON.stringify(actual) ?? 'absent'}`
  }
  return null
}

/** Compared as JSON data: what has a prototype and what has none are the same here. */
function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(
    a === undefined ? undefined : JSON.parse(JSON.stringify(a)),
    b === undefined ? undefined : JSON.parse(JSON.stringify(b)),
  )
}

/** A misspelt fact in a test would make the test prove nothing. */
function checkFactNames(
  facts: Readonly<Record<string, Json>>,
  pointer: string,
  path: readonly string[],
  input: { readonly facts: FactFields; readonly report: RuleReport },
): void {
  for (const [name, value] of Object.entries(facts)) {
    const at = [...path, name]
    const found = factAt(input.facts, at)
    const here = pointerTo(pointer, name)
    if (found === null) {
      const written = at.join('.')
      input.report.keyError(
        here,
        `there is no fact "${written.slice(0, 80)}"${didYouMean(written, factPaths(input.facts))}`,
        'Correct or remove it.',
      )
    } else if (found.type === 'object' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      checkFactNames(value as Readonly<Record<string, Json>>, here, at, input)
    }
  }
}

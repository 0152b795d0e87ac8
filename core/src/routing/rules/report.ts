import type { ConfigProblem } from '../../config/contract.js'
import type { ErrorCode } from '../../errors.js'
import type { JsonSource } from './json-source.js'

/** Collects the findings of one rule file, each with its place. */
export interface RuleReport {
  error(pointer: string, message: string, remedy: string, code?: ErrorCode): void
  warning(pointer: string, message: string, remedy: string): void
  /** At the key instead of the value: for keys that should not be there. */
  keyError(pointer: string, message: string, remedy: string): void
  readonly problems: readonly ConfigProblem[]
  readonly failed: boolean
}

/** More than anybody reads; a file with a thousand mistakes is a wrong file. */
const MAX_PROBLEMS = 50

export function createReport(source: JsonSource): RuleReport {
  const problems: ConfigProblem[] = []
  let failed = false
  const add = (
    severity: 'error' | 'warning',
    pointer: string,
    atKey: boolean,
    message: string,
    remedy: string,
    code: ErrorCode,
  ): void => {
    failed ||= severity === 'error'
    if (problems.length >= MAX_PROBLEMS) return
    problems.push(
      Object.freeze({
        code,
        severity,
        position: atKey ? source.keyAt(pointer) : source.at(pointer),
        path: dotted(pointer),
        message: message + ruleName(source, pointer),
        remedy,
        instance: null,
      }),
    )
  }
  return {
    error: (pointer, message, remedy, code = 'TL_RULES_INVALID') => add('error', pointer, false, message, remedy, code),
    keyError: (pointer, message, remedy) => add('error', pointer, true, message, remedy, 'TL_RULES_INVALID'),
    warning: (pointer, message, remedy) => add('warning', pointer, false, message, remedy, 'TL_RULES_INVALID'),
    problems,
    get failed() {
      return failed
    },
  }
}

/** ` (rule "vip")` when the place lies inside a rule that has an id. */
function ruleName(source: JsonSource, pointer: string): string {
  const [, section, index] = pointer.split('/')
  if (section !== 'rules' || index === undefined) return ''
  const rules = (source.value as { readonly rules?: readonly { readonly id?: unknown }[] }).rules
  const id = Array.isArray(rules) ? (rules as readonly { readonly id?: unknown }[])[Number(index)]?.id : undefined
  return typeof id === 'string' ? ` (rule "${id.slice(0, 60)}")` : ''
}

/** `/rules/0/when` → `rules[0].when` */
function dotted(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('')
}

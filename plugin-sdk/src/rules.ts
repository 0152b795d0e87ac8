import type { Assurance } from './content.js'
import type { Clock, Http, Logger, State } from './context.js'

export type RuleValue = null | boolean | number | string | readonly RuleValue[] | { readonly [key: string]: RuleValue }
/** instant: ISO 8601 with offset. */
export type RuleType = 'boolean' | 'number' | 'string' | 'instant' | 'string[]' | 'number[]' | 'any'

/** Operators and facts for rule files, published under the plugin's name: `{"acme:tier_gte": […]}`, `{"var": "acme.tier"}`. */
export interface RuleExtensions<C = unknown> {
  readonly operators?: Readonly<Record<string, RuleOperator>>
  readonly facts?: Readonly<Record<string, RuleFact<C>>>
}

export interface RuleOperator {
  readonly arity: number | readonly [min: number, max: number]
  readonly types: { readonly args: readonly RuleType[]; readonly result: RuleType }
  /** Pure and synchronous. Arguments are frozen; each may be null. */
  readonly fn: (...args: readonly RuleValue[]) => RuleValue
  readonly describe: string
}

export interface RuleFact<C = unknown> {
  readonly schema: FactSchema
  /** One call per batch, outside transactions. As many answers as subjects, in their order; null = not known. */
  load(batch: readonly FactSubject[], context: FactContext<C>): Promise<readonly RuleValue[]>
}

export type FactSchema = { readonly type: string; readonly description: string; readonly [keyword: string]: unknown }
export type FactSubject = {
  readonly contact: string
  readonly conversation: string
  readonly channel: string
  readonly identifiers: readonly { readonly kind: string; readonly value: string; readonly assurance: Assurance }[]
}
export type FactContext<C> = {
  readonly config: Readonly<C>
  readonly http: Http
  readonly state: State
  readonly log: Logger
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Rule files as the engine has loaded and checked them; the last good version answers while an edit is broken. */
export interface RuleFiles {
  /**
   * Runs a rule file over facts. Pure: the same facts and version give the same outcome. null: there is no such file, or
   * no rule of it applies.
   */
  evaluate(file: 'routing', facts: Readonly<Record<string, unknown>>): RuleOutcome | null
}

export type RuleOutcome = {
  /** Id of the rule that decided. */
  readonly rule: string
  /** `$version` of the rule file. */
  readonly version: string
  /** What the matching rules say, merged: plain data, frozen. */
  readonly then: Readonly<Record<string, unknown>>
}

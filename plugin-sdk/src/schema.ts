/**
 * Plugin settings: a subset of JSON Schema whose TypeScript type is inferred. The engine adds
 * `additionalProperties: false` everywhere (typos are errors) and fills defaults in before `setup` is called.
 *
 * @example
 * const config = {
 *   type: 'object', required: ['token'],
 *   properties: {
 *     token: { type: 'string', secret: true, description: 'API token' },
 *     retries: { type: 'integer', default: 3, minimum: 0, description: 'Tries before giving up' },
 *   },
 * } as const satisfies ConfigSchema
 * type Config = InferConfig<typeof config> // { readonly token: string; readonly retries: number }
 */
export type ConfigSchema = {
  readonly type: 'object'
  readonly properties: Readonly<Record<string, Field>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false
  readonly description?: string
}

/** One setting. `secret`: redacted everywhere. `public`: may be shown to a surface's page. */
export type Field = {
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object'
  readonly secret?: true
  readonly public?: true
  readonly default?: unknown
  readonly description?: string
  readonly [keyword: string]: unknown
}

type Value<F> = F extends { enum: readonly (infer E)[] }
  ? E
  : F extends { type: 'string' }
    ? string
    : F extends { type: 'number' | 'integer' }
      ? number
      : F extends { type: 'boolean' }
        ? boolean
        : F extends { type: 'array'; items: infer I }
          ? readonly Value<I>[]
          : F extends { type: 'object'; properties: infer _ }
            ? InferConfig<F>
            : F extends { type: 'object'; additionalProperties: infer A extends { type: string } }
              ? Readonly<Record<string, Value<A>>>
              : unknown
type RequiredKey<S, K> = S extends { required: readonly (infer R)[] } ? (K extends R ? K : never) : never
type DefaultedKey<P> = { [K in keyof P]: P[K] extends { default: unknown } ? K : never }[keyof P]

/** The settings object a plugin's `setup` receives: required and defaulted fields are there, others may be absent. */
export type InferConfig<S> = S extends { properties: infer P }
  ? { readonly [K in keyof P as K extends RequiredKey<S, K> | DefaultedKey<P> ? K : never]: Value<P[K]> } & {
      readonly [K in keyof P as K extends RequiredKey<S, K> | DefaultedKey<P> ? never : K]?: Value<P[K]>
    }
  : Record<never, never>

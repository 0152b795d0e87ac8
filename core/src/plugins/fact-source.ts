import type { Context, PluginDef } from '@throughline/plugin-sdk'
import type { FactSource, Instance } from './contract.js'

/** What of a supervised instance is needed to load its facts. */
export interface FactInstance extends Pick<Instance<object>, 'id' | 'call'> {
  readonly def: PluginDef | null
  /** null while it does not run. */
  readonly context: Context | null
}

/** One source a plugin: its first instance, or the one with `facts: true` in YAML. */
export function factSources(
  instances: readonly FactInstance[],
  named: (instance: string) => boolean,
): readonly FactSource[] {
  const chosen = new Map<string, FactInstance>()
  for (const instance of instances) {
    const name = instance.def?.name
    if (name !== undefined && (!chosen.has(name) || named(instance.id))) chosen.set(name, instance)
  }
  return [...chosen.values()].flatMap((instance) => sourceOf(instance) ?? [])
}

function sourceOf(instance: FactInstance): FactSource | null {
  const published = instance.def?.rules?.facts ?? {}
  const facts = Object.keys(published)
  if (instance.def === null || facts.length === 0) return null
  return Object.freeze({
    instance: instance.id,
    prefix: instance.def.name,
    facts,
    typeOf: (fact) => published[fact]?.schema.type ?? 'any',
    load: (fact, subjects, timeoutMs) =>
      instance.call(`facts ${fact}`, timeoutMs, (_live, signal) => {
        const { context } = instance
        const found = published[fact]
        if (context === null || found === undefined) throw new Error(`there is no fact ${fact}`)
        const { config, http, state, log, clock } = context
        return found.load(subjects, Object.freeze({ config, http, state, log, clock, signal }))
      }),
  } satisfies FactSource)
}

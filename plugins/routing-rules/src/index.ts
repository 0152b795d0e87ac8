import { defineRouting, planOf, PluginError, type ConfigSchema, type Decision } from '@throughline/plugin-sdk'

const config = { type: 'object', properties: {} } as const satisfies ConfigSchema

/** The default routing plugin: config/rules/routing.json decides, the same facts always alike. */
export default defineRouting({
  name: 'routing-rules',
  version: '0.1.0',
  title: 'Routing by rule files',
  docs: 'README.md',
  config,
  setup(context) {
    const { rules } = context
    if (rules === undefined) throw new PluginError('config', 'this engine offers no rule files to routing plugins')
    return {
      route(request): Decision {
        const outcome = rules.evaluate('routing', request.facts)
        const plan = outcome === null ? null : planOf(outcome.then)
        if (outcome === null || plan === null) return { to: 'pass', reason: 'no rule names a queue' }
        return { to: 'queue', plan, rule: outcome.rule, version: outcome.version, reason: `rule ${outcome.rule}` }
      },
    }
  },
})

import type { CheckSource } from '../config/contract.js'

/**
 * Findings beside the configuration file itself: settings of plugins, rule files, templates. Each is imported only when
 * something is checked. `env` is the environment of the command.
 */
export type CheckSourceLoader = (env: Readonly<Record<string, string | undefined>>) => Promise<CheckSource>

export const checkSources: readonly CheckSourceLoader[] = Object.freeze([
  async (env) => {
    const [{ pluginSettings }, { loadDefinition }] = await Promise.all([
      import('./plugin-settings.js'),
      import('./load-definition.js'),
    ])
    return pluginSettings(loadDefinition, env)
  },
  async () => {
    const [{ ruleFileCheck }, { createCalendars }, { loadDefinition }, { allInstances }] = await Promise.all([
      import('../routing/rules/rules.js'),
      import('../calendars/calendar.js'),
      import('./load-definition.js'),
      import('./plugin-definition.js'),
    ])
    return async (config) => {
      const found = await Promise.all(allInstances(config).map((instance) => loadDefinition(instance, config.file)))
      return ruleFileCheck(
        () => found.flatMap((one) => (one.ok ? one.plugin : [])),
        ({ calendars }) => createCalendars(calendars),
      )(config)
    }
  },
  async () => {
    const { checkTemplates } = await import('../outbound/templates.js')
    return (config) => checkTemplates(config.templatesDir)
  },
] satisfies CheckSourceLoader[])

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
] satisfies CheckSourceLoader[])

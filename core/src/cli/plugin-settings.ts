import type { CheckSource, ConfigProblem, InstanceConfig } from '../config/contract.js'
import type { ErrorCode } from '../errors.js'
import { catalogue } from '../errors-catalogue.js'
import { allInstances, kindOf, settingsOf, type LoadDefinition } from './plugin-definition.js'

/** Finds plugins that cannot be loaded, that stand in the wrong section, and settings that do not fit their schemas. */
export function pluginSettings(load: LoadDefinition, env: Readonly<Record<string, string | undefined>>): CheckSource {
  return async (config) => {
    const problems: ConfigProblem[] = []
    for (const instance of allInstances(config)) {
      // What the file itself gets wrong is already reported; its settings would only repeat it.
      if ((instance.problems ?? []).length > 0) continue
      const found = await load(instance, config.file)
      if (!found.ok) {
        problems.push(atUse(instance, found.code, found.message, catalogue[found.code].fix))
      } else if (found.plugin.kind !== kindOf(instance)) {
        const message = `"${instance.use}" is a plugin of kind ${found.plugin.kind}, not ${kindOf(instance)}`
        problems.push(atUse(instance, 'TL_PLUGIN_INVALID', message, 'Move the entry to the section of its kind.'))
      } else problems.push(...settingsOf(instance, found.plugin, env).problems)
    }
    return problems
  }
}

function atUse(instance: InstanceConfig, code: ErrorCode, message: string, remedy: string): ConfigProblem {
  const path = `${instance.path ?? instance.id}.use`
  return Object.freeze({
    code,
    severity: 'error',
    position: instance.position,
    path,
    message,
    remedy,
    instance: instance.id,
  })
}

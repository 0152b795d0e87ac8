import type { PluginDef } from '@throughline/plugin-sdk'
import type { Config, InstanceConfig } from '../config/contract.js'
import { validateInstance, type InstanceResult } from '../config/instance.js'
import { type instanceSections } from '../config/problem.js'
import type { ErrorCode } from '../errors.js'

/** What stands behind `use`, or why it cannot be had. */
export type Definition =
  | { readonly ok: true; readonly plugin: PluginDef }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string }

export type LoadDefinition = (instance: InstanceConfig, configFile: string) => Promise<Definition>

const kinds: Readonly<Record<string, string>> = {
  channels: 'channel',
  identity: 'identity',
  routing: 'routing',
  analytics: 'analytics',
  surfaces: 'surface',
  assistants: 'assistant',
  context: 'context',
  knowledge: 'knowledge',
  notifiers: 'notifier',
  storage: 'storage',
  bus: 'bus',
} satisfies Record<(typeof instanceSections)[number] | 'bus', string>

/** Kind an instance must have, by the section it stands in. */
export function kindOf(instance: InstanceConfig): string {
  return kinds[(instance.path ?? '').split('.')[0] ?? ''] ?? ''
}

/** All instances of the configuration in the order of the file's sections. */
export function allInstances(config: Config): readonly InstanceConfig[] {
  const { channels, identity, routing, analytics, surfaces, plugins } = config
  return [...channels, ...identity, ...routing, ...analytics, ...surfaces, ...plugins]
}

/** The settings of an instance against its plugin's schema. */
export function settingsOf(
  instance: InstanceConfig,
  plugin: PluginDef,
  env: Readonly<Record<string, string | undefined>>,
): InstanceResult {
  const { name, version, docs } = plugin
  return validateInstance(plugin.config, instance, {
    plugin: { name, version, ...(docs === undefined ? {} : { docs }) },
    production: env['NODE_ENV'] === 'production',
  })
}

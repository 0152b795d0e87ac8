import {
  isPluginError,
  type Channel,
  type Context,
  type Http,
  type Kind,
  type PluginDef,
} from '@throughline/plugin-sdk'
import type { Config, ConfigProblem, InstanceConfig } from '../config/contract.js'
import { problemText } from '../config/report.js'
import { ThroughlineError, type ErrorCode } from '../errors.js'
import { loadDefinition } from './load-definition.js'
import { settingsOf } from './plugin-definition.js'

export interface OfflinePlugin {
  readonly plugin: PluginDef
  setup(options: { readonly http: Http; readonly now: number }): Promise<OfflineInstance>
}

export interface OfflineInstance {
  readonly context: Context<Kind, never>
  /** What `setup` returned. Not started: no listener, no connection. */
  readonly live: Partial<Channel>
  close(): Promise<void>
}

const setupMs = 10_000

/**
 * A plugin with checked settings, to be set up for one command: with the memory of the conformance kit instead of the
 * database, and never started. `http` decides whether it may call out.
 */
export async function offlinePlugin(
  instance: InstanceConfig,
  config: Config,
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<OfflinePlugin> {
  const found = (instance.problems ?? [])[0] ?? (await loadDefinition(instance, config.file))
  if (!('ok' in found)) throw asError(found, options.cwd)
  if (!found.ok) throw new ThroughlineError(found.code, found.message)
  const { plugin } = found
  const settings = settingsOf(instance, plugin, options.env)
  if (!settings.ok) {
    const first = settings.problems.find((item) => item.severity === 'error')
    throw first === undefined ? new Error('settings were refused without a reason') : asError(first, options.cwd)
  }
  const value = settings.value as never
  const publicUrl = `${config.server.publicUrl}/channels/${instance.id}`
  return {
    plugin,
    async setup({ http, now }) {
      const { createTestContext } = await import('@throughline/plugin-sdk/testing')
      const made = createTestContext({ kind: plugin.kind, id: instance.id, config: value, publicUrl, now, http })
      const live = await setUp(plugin, made.context, instance)
      return {
        context: made.context,
        live,
        async close() {
          made.abort()
          await limited(setupMs, 'stop', Promise.resolve(live.stop?.()))
        },
      }
    },
  }
}

function asError(item: ConfigProblem, cwd: string): ThroughlineError {
  return new ThroughlineError(item.code as ErrorCode, problemText(item, cwd))
}

/** Awaits a plugin, but not for ever. */
export async function limited<T>(ms: number, operation: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `${operation} of the plugin did not end within ${ms / 1000} s: find out what it waits for`
      reject(new ThroughlineError('TL_PLUGIN_TIMEOUT', message))
    }, ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What a plugin says against its settings is the operator's to mend, not a fault of the engine. */
async function setUp(
  plugin: PluginDef,
  context: Context<Kind, never>,
  instance: InstanceConfig,
): Promise<Partial<Channel>> {
  try {
    return (await limited(setupMs, 'setup', Promise.resolve(plugin.setup(context)))) as Partial<Channel>
  } catch (error) {
    if (!isPluginError(error)) throw error
    const { file, line } = instance.position
    const message = `${instance.id} (${file}:${line}) cannot be set up: ${error.message}`
    throw new ThroughlineError('TL_CONFIG_INVALID', message, { cause: error })
  }
}

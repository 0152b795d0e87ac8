import { BRAND, api, type PluginDef } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'

/**
 * A plugin works when it was made for the same major of the SDK and a minor not newer than the engine's. While the major
 * is 0, the minor acts as the major. null: it fits.
 */
export function incompatibility(
  def: PluginDef,
  from: { readonly use: string; readonly file: string },
  host: { readonly major: number; readonly minor: number } = api,
): ThroughlineError | null {
  const made = def[BRAND]
  const newer = made.major > host.major || (made.major === host.major && made.minor > host.minor)
  const fits = made.major === host.major && (host.major === 0 ? made.minor === host.minor : made.minor <= host.minor)
  if (fits) return null
  const name = /^[./]|^file:/.test(from.use) ? null : from.use
  const wanted = `${host.major}.${host.minor}`
  const remedy = newer
    ? `Upgrade the engine: npm i @throughline/core@^${made.major}.${made.minor}.0`
    : name === null
      ? `Rebuild it with that SDK: npm i -D @throughline/plugin-sdk@^${wanted}.0`
      : `Upgrade the plugin: npm i ${/^[a-z]/.test(name) && !name.includes('/') ? `@throughline/${name}` : name}@latest`
  return new ThroughlineError(
    'TL_PLUGIN_INCOMPATIBLE',
    `plugin ${def.name} ${def.version} (${from.file}) is made for SDK ${made.major}.${made.minor}, this engine has ` +
      `${wanted}. ${remedy} (or set allowIncompatible: true at your own risk).`,
    { details: { plugin: def.name, made: `${made.major}.${made.minor}`, host: wanted } },
  )
}

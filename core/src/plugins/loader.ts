import { existsSync, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BRAND, type PluginDef } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'
import { resolveFolder, resolvePackage } from './package-resolver.js'

export interface LoadedPlugin {
  readonly def: PluginDef
  /** The file it came from. */
  readonly file: string
}

const coreDir = dirname(fileURLToPath(import.meta.url))
const importTimeoutMs = 30_000
const builtInScope = '@throughline'

/**
 * Finds and imports the plugin that `use` names: a built-in (`channel-webchat`), a package (seen from the configuration
 * file first, then from the engine), or a path relative to the configuration file. Throws TL_PLUGIN_NOT_FOUND,
 * TL_PLUGIN_LOAD_FAILED, TL_PLUGIN_INVALID or TL_PLUGIN_TIMEOUT.
 */
export async function loadPlugin(use: string, configFile: string): Promise<LoadedPlugin> {
  const file = resolveUse(use, dirname(configFile))
  const exported = await importDefault(use, file)
  if (!isDefinition(exported)) {
    throw new ThroughlineError(
      'TL_PLUGIN_INVALID',
      exported === undefined
        ? `${file} has no default export. Write \`export default defineChannel({ … })\` (or another define function).`
        : `the default export of ${file} is not a plugin. Pass it through defineChannel() or another define function of ` +
            '@throughline/plugin-sdk.',
      { details: { use, file } },
    )
  }
  return Object.freeze({ def: exported, file })
}

/** The file behind `use`. */
export function resolveUse(use: string, configDir: string): string {
  const file =
    /^(\.{0,2}\/|\.\.?$|file:)/.test(use) || isAbsolute(use) ? pathFile(use, configDir) : packageFile(use, configDir)
  if (file !== null) return file
  const path = /^[./]|^file:/.test(use)
  throw new ThroughlineError(
    'TL_PLUGIN_NOT_FOUND',
    path
      ? `no plugin at ${use} (looked from ${configDir}). Correct \`use:\`, or build the plugin first.`
      : `no plugin named "${use}" is installed. Correct \`use:\`, or run \`npm i ${packageName(use)}\` in ${configDir}.`,
    { details: { use } },
  )
}

function pathFile(use: string, configDir: string): string | null {
  const path = use.startsWith('file:') ? fileURLToPath(use) : resolve(configDir, use)
  if (!existsSync(path)) return null
  return statSync(path).isDirectory() ? resolveFolder(path) : path
}

function packageFile(use: string, configDir: string): string | null {
  const builtIn = use.startsWith('@') ? [] : [`${builtInScope}/${use}`]
  for (const specifier of [...builtIn, use]) {
    // A built-in name means the engine's own copy; anything else the operator's installation first.
    const places = specifier === use ? [configDir, coreDir] : [coreDir, configDir]
    for (const place of places) {
      const file = resolvePackage(specifier, place)
      if (file !== null) return file
    }
  }
  return null
}

function packageName(use: string): string {
  return use.split('/', use.startsWith('@') ? 2 : 1).join('/')
}

async function importDefault(use: string, file: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  try {
    const loading = /\.[cm]?ts$/.test(file) ? importTypeScript(file) : importScript(file)
    const over = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `importing ${file} took longer than ${importTimeoutMs} ms; look for a top-level await in it`
        reject(new ThroughlineError('TL_PLUGIN_TIMEOUT', message, { details: { use, file } }))
      }, importTimeoutMs)
    })
    return await Promise.race([loading, over])
  } catch (cause) {
    if (cause instanceof ThroughlineError) throw cause
    const message = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
    throw new ThroughlineError('TL_PLUGIN_LOAD_FAILED', `${file} cannot be imported: ${message}`, {
      cause,
      details: { use, file },
    })
  } finally {
    clearTimeout(timer)
  }
}

async function importScript(file: string): Promise<unknown> {
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  return interop(module.default)
}

/** Only for `.ts` files, and only then: jiti strips the types, it does not check them. */
async function importTypeScript(file: string): Promise<unknown> {
  const { createJiti } = await import('jiti')
  const module = await createJiti(import.meta.url).import<{ default?: unknown }>(file)
  return interop(module.default)
}

/** A CommonJS build of an ES module has its default export one level deeper. */
function interop(exported: unknown): unknown {
  if (isDefinition(exported)) return exported
  const inner = (exported as { default?: unknown } | null | undefined)?.default
  return isDefinition(inner) ? inner : exported
}

function isDefinition(value: unknown): value is PluginDef {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return false
  const { kind, name, version, setup, config } = value as Partial<PluginDef>
  return (
    typeof kind === 'string' &&
    typeof name === 'string' &&
    typeof version === 'string' &&
    typeof setup === 'function' &&
    typeof config === 'object'
  )
}

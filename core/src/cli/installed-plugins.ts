import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BRAND } from '@throughline/plugin-sdk'
import type { PluginSchema } from '../config/instance.js'
import type { DescribedPlugin } from '../config/json-schema.js'
import { isRecord, member } from '../config/raw.js'

const scope = '@throughline'

/**
 * The plugins that came with the engine: every package of our scope whose exports are plugins. Found on disk, so that
 * nothing here knows a plugin by name.
 */
export async function installedPlugins(): Promise<readonly DescribedPlugin[]> {
  const found = new Map<string, DescribedPlugin>()
  for (const folder of packageFolders()) {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const name = String(member(manifest, 'name'))
    const exported = member(manifest, 'exports')
    if (!isRecord(exported)) continue
    for (const [key, target] of Object.entries(exported)) {
      const file = typeof target === 'string' ? target : member(target, 'default')
      if (typeof file !== 'string' || !file.endsWith('.js')) continue
      const plugin = await definitionOf(join(folder, file))
      if (plugin === null) continue
      const use = key === '.' ? name.slice(scope.length + 1) : name + key.slice(1)
      if (!found.has(use)) found.set(use, { ...plugin, use })
    }
  }
  return [...found.values()].sort((a, b) => (a.use < b.use ? -1 : 1))
}

function packageFolders(): readonly string[] {
  const roots = createRequire(import.meta.url).resolve.paths(`${scope}/plugin`) ?? []
  return roots
    .map((root) => join(root, scope))
    .filter((root) => existsSync(root))
    .flatMap((root) => readdirSync(root).map((name) => join(root, name)))
    .filter((folder) => existsSync(join(folder, 'package.json')) && isPlugin(folder))
    .sort()
}

/** A package that asks for the SDK as a peer is a plugin; importing anything else here would be a surprise. */
function isPlugin(folder: string): boolean {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return member(member(manifest, 'peerDependencies'), `${scope}/plugin-sdk`) !== undefined
}

async function definitionOf(file: string): Promise<Omit<DescribedPlugin, 'use'> | null> {
  if (!existsSync(file)) return null
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  const definition = module.default
  if (!isRecord(definition) || !(BRAND in definition) || typeof definition['kind'] !== 'string') return null
  const title = definition['title']
  const schema = definition['config'] as PluginSchema
  return { kind: definition['kind'], schema, ...(typeof title === 'string' ? { title } : {}) }
}

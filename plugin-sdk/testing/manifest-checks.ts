import { existsSync, readFileSync } from 'node:fs'
import { api, BRAND } from '../src/index.js'
import type { ConfigSchema, Kind } from '../src/index.js'
import type { Runner } from './checks.js'
import { checkSettings, fieldsOf, unknownKeywords } from './settings.js'

/** What every kind's kit is given. */
export type ConformanceOptions = {
  /** Settings as an operator writes them; where the plugin calls a network, made from the address of the pretended one. */
  readonly config: Settings | ((upstream: string) => Settings)
  /** Settings that must be refused, with the path of the first complaint, e.g. `/token`. */
  readonly invalidConfig: readonly { readonly config: Settings; readonly path: string }[]
  /** The package's folder, with README.md and package.json. */
  readonly root: URL
  /** Check id → why it does not apply. */
  readonly skip?: Readonly<Record<string, string>>
  /** Whether this run may write quality.yaml; false for the second run of a plugin with two modes. Default true. */
  readonly record?: boolean
}
export type Settings = Readonly<Record<string, unknown>>

type AnyPlugin = {
  readonly name: string
  readonly version: string
  readonly docs?: string
  readonly kind: Kind
  readonly config: ConfigSchema
}

const sections = ['What it does', 'Set-up', 'Settings', 'Limits']

export async function manifestChecks(runner: Runner, plugin: AnyPlugin, options: ConformanceOptions): Promise<void> {
  const written = typeof options.config === 'function' ? options.config('http://127.0.0.1:1') : options.config
  const file = (name: string) => new URL(name, options.root)

  await runner.check('M1', 'name, version and docs are there', (t) => {
    t.ok(/^[a-z][a-z0-9-]{1,40}$/.test(plugin.name), `name ${plugin.name} has the right form`)
    t.ok(/^\d+\.\d+\.\d+/.test(plugin.version), `version ${plugin.version} is a semantic version`)
    t.ok((plugin.docs ?? '').length > 0, 'docs says where to read more')
  })
  await runner.check('M2', 'the definition is frozen and stamped', (t) => {
    t.ok(Object.isFrozen(plugin), 'frozen')
    const stamp = (plugin as unknown as Record<symbol, { major: number; minor: number } | undefined>)[BRAND]
    t.equal(stamp?.major, api.major, 'major version of the contract')
    t.equal(stamp?.minor, api.minor, 'minor version of the contract')
  })
  await runner.check('M3', 'every setting is described, secrets are marked, the schema is plain', (t) => {
    t.equal(plugin.config.type, 'object', 'settings are an object')
    t.equal(unknownKeywords(plugin.config).join(' '), '', 'no keyword outside the allowed part of JSON Schema')
    for (const [path, field] of fieldsOf(plugin.config)) {
      t.ok(typeof field['description'] === 'string' && field['description'].length > 3, `${path} has a description`)
      const looksSecret = /(token|secret|password|key)$/i.test(path) && field['type'] === 'string'
      if (looksSecret) t.equal(field['secret'], true, `${path} is marked secret`)
    }
  })
  await runner.check('M4', 'README.md says what an operator needs', (t) => {
    const readme = existsSync(file('README.md')) ? readFileSync(file('README.md'), 'utf8') : ''
    for (const section of sections) t.ok(new RegExp(`^##+ .*${section}`, 'im').test(readme), `a section "${section}"`)
    for (const [path] of fieldsOf(plugin.config).filter(([at]) => at.lastIndexOf('/') === 0))
      t.ok(readme.includes(`\`${path.slice(1)}\``), `setting ${path.slice(1)} is mentioned`)
  })
  await runner.check('M5', 'package.json takes the SDK from the engine and exports one entry', (t) => {
    const manifest = JSON.parse(readFileSync(file('package.json'), 'utf8')) as Record<string, Record<string, unknown>>
    const sdk = '@throughline/plugin-sdk'
    t.ok(manifest['peerDependencies']?.[sdk], 'the SDK is a peer dependency')
    t.ok(manifest['devDependencies']?.[sdk], 'and a development dependency')
    t.ok(manifest['dependencies']?.[sdk] === undefined, 'and not a dependency')
    t.ok(manifest['exports'] !== undefined, 'exports says what can be imported')
    const all = { ...manifest['dependencies'], ...manifest['peerDependencies'] }
    t.ok(!Object.keys(all).includes('@throughline/core'), 'nothing of the core is imported')
  })

  await runner.check('C1', 'the sample settings are accepted', (t) => {
    const { issues } = checkSettings(plugin.config, written)
    t.equal(issues.map((issue) => `${issue.path} ${issue.message}`).join('; '), '', 'no complaint')
  })
  await runner.check('C2', 'wrong settings are refused, with the path', (t) => {
    t.ok(options.invalidConfig.length > 0, 'there is at least one wrong sample')
    for (const wrong of options.invalidConfig) {
      const { issues } = checkSettings(plugin.config, wrong.config)
      t.ok(
        issues.some((issue) => issue.path === wrong.path),
        `a complaint at ${wrong.path}`,
      )
    }
    const typo = checkSettings(plugin.config, { ...written, noSuchSetting: 1 })
    t.ok(
      typo.issues.some((issue) => issue.path === '/noSuchSetting'),
      'an unknown setting is an error',
    )
  })
  await runner.check('C3', 'defaults fit their own schema and are filled in', (t) => {
    const { value } = checkSettings(plugin.config, written)
    for (const [name, field] of Object.entries(plugin.config.properties)) {
      if (!('default' in field)) continue
      const only = { type: 'object', properties: { [name]: field } } as const
      t.equal(checkSettings(only, {}).issues.length, 0, `the default of ${name} is valid`)
      t.ok(name in value, `${name} is there without being written`)
    }
    t.ok(true, 'settings without defaults stay as they are')
  })
}

/** Values of secret settings, for looking whether one leaked. */
export function secretsOf(schema: ConfigSchema, value: Settings): readonly string[] {
  const found: string[] = []
  const visit = (node: Readonly<Record<string, unknown>>, current: unknown): void => {
    if (node['secret'] === true) found.push(...[current].flat().filter((s): s is string => typeof s === 'string'))
    if (typeof current !== 'object' || current === null) return
    const properties = (node['properties'] ?? {}) as Record<string, Readonly<Record<string, unknown>>>
    for (const [key, field] of Object.entries(properties)) visit(field, (current as Record<string, unknown>)[key])
  }
  visit(schema, value)
  return found.filter((secret) => secret.length >= 6)
}

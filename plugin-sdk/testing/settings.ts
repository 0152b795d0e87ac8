import type { ConfigSchema, InferConfig } from '../src/index.js'

export type SettingsIssue = { readonly path: string; readonly message: string }
type Node = { readonly [keyword: string]: unknown }

/**
 * Checks written settings against a plugin's schema and fills defaults in, as the engine does with ajv. Knows the part of
 * JSON Schema that `ConfigSchema` allows; anything else in a schema is an error of `unknownKeywords`.
 */
export function checkSettings(
  schema: ConfigSchema,
  written: Readonly<Record<string, unknown>>,
): { readonly issues: readonly SettingsIssue[]; readonly value: Record<string, unknown> } {
  const issues: SettingsIssue[] = []
  const value = visit(schema, structuredClone(written), '', issues)
  return { issues, value: value as Record<string, unknown> }
}

/** The settings `setup` would receive. Throws when the engine would refuse them. */
export function settingsOf<S extends ConfigSchema>(
  plugin: { readonly name: string; readonly config: S },
  written: Readonly<Record<string, unknown>>,
): InferConfig<S> {
  const { issues, value } = checkSettings(plugin.config, written)
  if (issues.length > 0)
    throw new Error(`settings of ${plugin.name}: ${issues.map((i) => `${i.path} ${i.message}`).join('; ')}`)
  return value as InferConfig<S>
}

const known = new Set([
  ...['type', 'secret', 'public', 'default', 'description', 'title', 'examples', 'enum', 'const', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['uniqueItems', 'items', 'properties', 'required', 'additionalProperties', 'propertyNames', 'deprecated'],
])

/** Keywords of a schema (with their paths) that settings may not use. */
export function unknownKeywords(node: Node, path = ''): readonly string[] {
  const own = Object.keys(node)
    .filter((key) => !known.has(key))
    .map((key) => `${path}/${key}`)
  const children = childrenOf(node).flatMap(([name, child]) => unknownKeywords(child, `${path}/${name}`))
  return [...own, ...children]
}

/** Every field of a schema with its path, nested ones included. */
export function fieldsOf(node: Node, path = ''): readonly (readonly [string, Node])[] {
  return childrenOf(node).flatMap(([name, child]) => [
    ...(name === '*' ? [] : ([[`${path}/${name}`, child]] as const)),
    ...fieldsOf(child, `${path}/${name}`),
  ])
}

function childrenOf(node: Node): readonly (readonly [string, Node])[] {
  const properties = isObject(node['properties']) ? Object.entries(node['properties']) : []
  const rest = ['items', 'additionalProperties'].flatMap((key) =>
    isObject(node[key]) ? [['*', node[key]] as const] : [],
  )
  return [...properties, ...rest].filter((pair): pair is [string, Node] => isObject(pair[1]))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function visit(node: Node, value: unknown, path: string, issues: SettingsIssue[]): unknown {
  const fail = (message: string) => void issues.push({ path: path === '' ? '/' : path, message })
  if (!ofType(node['type'], value)) {
    fail(`must be ${String(node['type'])}`)
    return value
  }
  const allowed = node['enum'] as readonly unknown[] | undefined
  if (allowed !== undefined && !allowed.includes(value)) fail('must be one of the listed values')
  if ('const' in node && node['const'] !== value) fail('must be the fixed value')
  if (typeof value === 'string') {
    if (value.length < number(node['minLength'], 0)) fail('is too short')
    if (value.length > number(node['maxLength'], Infinity)) fail('is too long')
    if (typeof node['pattern'] === 'string' && !new RegExp(node['pattern'], 'u').test(value)) fail('has the wrong form')
  }
  if (typeof value === 'number') {
    if (value < number(node['minimum'], -Infinity)) fail('is too small')
    if (value > number(node['maximum'], Infinity)) fail('is too large')
  }
  if (Array.isArray(value)) {
    if (value.length < number(node['minItems'], 0)) fail('has too few entries')
    if (value.length > number(node['maxItems'], Infinity)) fail('has too many entries')
    const items = node['items']
    if (isObject(items)) return value.map((item, index) => visit(items, item, `${path}/${index}`, issues))
  }
  return isObject(value) ? visitObject(node, value, path, issues) : value
}

function visitObject(node: Node, value: Record<string, unknown>, path: string, issues: SettingsIssue[]): unknown {
  const properties = isObject(node['properties']) ? (node['properties'] as Record<string, Node>) : {}
  const rest = node['additionalProperties']
  const result: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(properties)) {
    const given = Object.hasOwn(value, name) ? value[name] : structuredClone(field['default'])
    if (given !== undefined) result[name] = visit(field, given, `${path}/${name}`, issues)
  }
  for (const name of (node['required'] as readonly string[] | undefined) ?? [])
    if (result[name] === undefined) issues.push({ path: `${path}/${name}`, message: 'is missing' })
  for (const name of Object.keys(value).filter((key) => !Object.hasOwn(properties, key))) {
    if (isObject(rest)) result[name] = visit(rest, value[name], `${path}/${name}`, issues)
    else issues.push({ path: `${path}/${name}`, message: 'is not a setting' })
  }
  return result
}

const number = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

function ofType(type: unknown, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'number':
      return typeof value === 'number'
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    default:
      return type === 'object' ? isObject(value) : true
  }
}

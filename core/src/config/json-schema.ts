import { closeObjects, type PluginSchema } from './instance.js'
import { instanceSections } from './problem.js'
import { isRecord } from './raw.js'
import { rootSchema, type SchemaNode } from './schema.js'

/** A plugin whose settings the editors' schema describes. */
export interface DescribedPlugin {
  /** What an operator writes after `use:`. */
  readonly use: string
  readonly kind: string
  readonly title?: string
  readonly schema: PluginSchema
}

const sectionOfKind: Readonly<Record<string, string>> = {
  channel: 'channels',
  identity: 'identity',
  routing: 'routing',
  analytics: 'analytics',
  surface: 'surfaces',
  assistant: 'assistants',
  context: 'context',
  knowledge: 'knowledge',
  notifier: 'notifiers',
  storage: 'storage',
  bus: 'bus',
}

/**
 * JSON Schema (draft 07) of the configuration file for editors. Wherever a value may come out of `${…}`, text with a
 * variable is allowed beside the proper type, so that an editor does not complain about what the engine accepts.
 */
export function configJsonSchema(plugins: readonly DescribedPlugin[]): Readonly<Record<string, unknown>> {
  const root = forEditors(rootSchema) as { properties: Record<string, Record<string, unknown>> }
  for (const section of [...instanceSections, 'bus'] as const) {
    const node = root.properties[section]
    const entry = (section === 'bus' ? node : node?.['additionalProperties']) as Record<string, unknown> | undefined
    if (entry === undefined) continue
    const known = plugins
      .filter((plugin) => sectionOfKind[plugin.kind] === section)
      .sort((a, b) => (a.use < b.use ? -1 : a.use > b.use ? 1 : 0))
    if (known.length === 0) continue
    entry['allOf'] = known.map((plugin) => condition(plugin))
    const properties = entry['properties'] as Record<string, Record<string, unknown>>
    // Suggestions while typing, not a closed list: a package or a path is allowed as well.
    properties['use'] = { ...properties['use'], examples: known.map((plugin) => plugin.use) }
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Throughline configuration',
    description: 'Written by `throughline config schema`; plugins included.',
    ...root,
  }
}

function condition(plugin: DescribedPlugin): Record<string, unknown> {
  const config = forEditors(closeObjects(plugin.schema as SchemaNode)) as Record<string, unknown>
  if (plugin.title !== undefined) config['title'] = plugin.title
  const required = plugin.schema.required ?? []
  return {
    if: { properties: { use: { const: plugin.use } }, required: ['use'] },
    then: { properties: { config }, ...(required.length > 0 ? { required: ['config'] } : {}) },
  }
}

const variable = { type: 'string', pattern: '\\$\\{.+\\}' }

function forEditors(schema: SchemaNode, isKey = false): unknown {
  const result: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'hint' || keyword === 'secret' || keyword === 'public') continue
    if (keyword === 'properties' && isRecord(value)) {
      result[keyword] = Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, forEditors(inner as SchemaNode)]),
      )
    } else if (isRecord(value) && ['items', 'additionalProperties', 'propertyNames'].includes(keyword)) {
      result[keyword] = forEditors(value, keyword === 'propertyNames')
    } else if (keyword === 'default' && isEmptyObject(value)) {
      continue
    } else result[keyword] = value
  }
  const types = schema.type === undefined ? [] : [schema.type].flat()
  const plain = types.length > 0 && !types.includes('object') && !types.includes('array')
  const restricted = !types.includes('string') || 'enum' in schema || 'pattern' in schema || 'format' in schema
  if (isKey || !plain || !restricted || schema.const !== undefined) return result
  const { description, default: fallback, ...rest } = result
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, variable],
  }
}

function isEmptyObject(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0
}

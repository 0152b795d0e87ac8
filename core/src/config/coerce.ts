import type { SchemaNode } from './schema.js'
import { joinPointer } from './pointer.js'

/**
 * Reads text that came out of `${…}` as number or boolean, only where the schema wants one; text written literally is
 * left alone, so that "8080" in quotes stays a fault. Empty text there counts as absent: `${PORT:-}` gives the default.
 * An empty block (`channels:` with nothing under it) is YAML's null: it also counts as absent. Works in place.
 */
export function coerce(value: unknown, schema: SchemaNode, substituted: ReadonlySet<string>, pointer = ''): void {
  if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => {
      const child = joinPointer(pointer, index)
      const next = schema.items === undefined ? item : coerced(item, schema.items, substituted.has(child))
      if (next !== absent) value[index] = next
      if (schema.items !== undefined) coerce(value[index], schema.items, substituted, child)
    })
    return
  }
  if (typeof value !== 'object' || value === null) return
  const object = value as Record<string, unknown>
  for (const key of Object.keys(object)) {
    const child = joinPointer(pointer, key)
    const childSchema = schemaOf(schema, key)
    if (childSchema === null) continue
    const next = coerced(object[key], childSchema, substituted.has(child))
    if (next === absent) delete object[key]
    else object[key] = next
    coerce(object[key], childSchema, substituted, child)
  }
}

const absent = Symbol('absent')

function coerced(value: unknown, schema: SchemaNode, fromVariable: boolean): unknown {
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (value === null) return types.includes('object') || types.includes('array') ? absent : value
  if (typeof value !== 'string' || !fromVariable || types.includes('string')) return value
  const wantsNumber = types.includes('number') || types.includes('integer')
  if (!wantsNumber && !types.includes('boolean')) return value
  const text = value.trim()
  if (text === '') return absent
  if (wantsNumber && /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return Number(text)
  if (types.includes('boolean') && /^(true|yes|on|1)$/i.test(text)) return true
  if (types.includes('boolean') && /^(false|no|off|0)$/i.test(text)) return false
  return value
}

/** Schema of a member; null when the schema says nothing about it. */
export function schemaOf(schema: SchemaNode, key: string): SchemaNode | null {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key] ?? null
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : null
}

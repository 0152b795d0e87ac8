import type { ErrorCode } from '../errors.js'
import { coerce, schemaOf } from './coerce.js'
import type { ConfigProblem, InstanceConfig } from './contract.js'
import { joinPointer, splitPointer } from './pointer.js'
import { isRecord } from './raw.js'
import type { SchemaNode } from './schema.js'
import { check, compileSchema, type Finding } from './validate.js'

/** The settings part of a plugin definition; the SDK's ConfigSchema fits. */
export interface PluginSchema {
  readonly type: 'object'
  readonly properties: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

export interface ValidateOptions {
  /** Named in remedies, so that the reader knows whose documentation to open. */
  readonly plugin?: { readonly name: string; readonly version: string; readonly docs?: string }
  /** NODE_ENV=production: a secret written into the file is an error. */
  readonly production?: boolean
}

export type InstanceResult =
  | {
      readonly ok: true
      /** Own copy of the settings with defaults filled in, frozen. */
      readonly value: Readonly<Record<string, unknown>>
      /** Values of secret fields, wherever they came from: to be redacted with those of the configuration. */
      readonly secrets: ReadonlySet<string>
      /** Warnings. */
      readonly problems: readonly ConfigProblem[]
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

const compiled = new WeakMap<object, ReturnType<typeof compileSchema>>()

/** Checks the settings of one instance against its plugin's schema. Never throws; positions come from the file. */
export function validateInstance(
  schema: PluginSchema,
  instance: InstanceConfig,
  options: ValidateOptions = {},
): InstanceResult {
  const closed = closeObjects(schema as SchemaNode)
  const credit = options.plugin === undefined ? '' : ` (${creditOf(options.plugin)})`
  const place = (finding: Finding, severity: 'error' | 'warning' = 'error'): ConfigProblem =>
    Object.freeze({
      code: finding.code,
      severity,
      position:
        finding.at === 'key' && instance.keyPositionOf !== undefined
          ? instance.keyPositionOf(finding.pointer)
          : instance.positionOf(finding.pointer),
      path: [instance.path ?? instance.id, 'config', ...splitPointer(finding.pointer)].join('.'),
      message: finding.message,
      remedy: finding.remedy + credit,
      instance: instance.id,
    })

  let validate = compiled.get(schema)
  try {
    validate ??= compileSchema(closed)
    compiled.set(schema, validate)
  } catch (error) {
    const message = `the plugin's own settings schema is not valid: ${error instanceof Error ? error.message : ''}`
    const remedy = 'Report it to the author of the plugin.'
    return { ok: false, problems: [place({ code: 'TL_PLUGIN_INVALID', pointer: '', at: 'value', message, remedy })] }
  }

  const substituted = instance.substituted ?? new Set<string>()
  const value = structuredClone(instance.config) as Record<string, unknown>
  coerce(value, closed, substituted)
  const findings = check(validate, value, (pointer) => !substituted.has(pointer))
  const literals: Finding[] = []
  const secrets = new Set<string>()
  visitSecrets(value, closed, '', (pointer, text) => {
    secrets.add(text)
    if (substituted.has(pointer) || isDefault(closed, pointer, text)) return
    literals.push({
      code: 'TL_CONFIG_SECRET_LITERAL' satisfies ErrorCode,
      pointer,
      at: 'value',
      message: 'the file holds a secret in plain text',
      remedy: 'Take it from outside: "${NAME}" or "${file:/run/secrets/name}".',
    })
  })
  const fatal = options.production === true
  const errors = [...findings, ...(fatal ? literals : [])].map((finding) => place(finding))
  const warnings = fatal ? [] : literals.map((finding) => place(finding, 'warning'))
  if (errors.length > 0) return { ok: false, problems: [...errors, ...warnings] }
  return { ok: true, value: freeze(value), secrets, problems: warnings }
}

/** Typing errors are errors: every object that lists its keys takes no others. */
export function closeObjects(schema: SchemaNode): SchemaNode {
  const result: Record<string, unknown> = { ...schema }
  if (schema.properties !== undefined) {
    result['properties'] = Object.fromEntries(
      Object.entries(schema.properties).map(([key, inner]) => [key, closeObjects(inner)]),
    )
    result['additionalProperties'] ??= false
  }
  if (isRecord(schema.additionalProperties)) result['additionalProperties'] = closeObjects(schema.additionalProperties)
  if (isRecord(schema.items)) result['items'] = closeObjects(schema.items)
  return result
}

function creditOf(plugin: NonNullable<ValidateOptions['plugin']>): string {
  return [`plugin ${plugin.name} ${plugin.version}`, ...(plugin.docs === undefined ? [] : [plugin.docs])].join(' · ')
}

function visitSecrets(
  value: unknown,
  schema: SchemaNode,
  pointer: string,
  found: (pointer: string, text: string) => void,
): void {
  if (typeof value === 'string') {
    if (schema.secret === true && value !== '') found(pointer, value)
  } else if (Array.isArray(value)) {
    const { items } = schema
    if (items === undefined) return
    const inner = schema.secret === true ? ({ ...items, secret: true } as const) : items
    value.forEach((item, index) => visitSecrets(item, inner, joinPointer(pointer, index), found))
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      const inner = schemaOf(schema, key)
      if (inner !== null) visitSecrets(item, inner, joinPointer(pointer, key), found)
    }
  }
}

function isDefault(schema: SchemaNode, pointer: string, text: string): boolean {
  let at: SchemaNode | null = schema
  for (const key of splitPointer(pointer)) at = at === null ? null : schemaOf(at, key)
  return at?.default === text
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) freeze(inner)
  return Object.freeze(value)
}

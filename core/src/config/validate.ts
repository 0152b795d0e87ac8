import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import ajvFormats from 'ajv-formats'
import type { ErrorCode } from '../errors.js'
import { joinPointer } from './pointer.js'
import type { SchemaNode } from './schema.js'
import { didYouMean, suggest } from '../suggest.js'

/** A fault found by a schema, not yet placed in a file. `at` says whether the key or the value is to be shown. */
export interface Finding {
  readonly code: ErrorCode
  readonly pointer: string
  readonly at: 'key' | 'value'
  readonly message: string
  readonly remedy: string
}

/** Compiles a schema. Defaults are filled into the data while it is checked; unknown keywords of ours are known. */
export function compileSchema(schema: SchemaNode): ValidateFunction {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    strictRequired: false,
    strictTypes: false,
    allowUnionTypes: true,
    useDefaults: true,
    verbose: true,
    ownProperties: true,
    keywords: ['secret', 'public', 'hint'],
    logger: false,
  })
  ajvFormats.default(ajv)
  return ajv.compile(schema)
}

/** Checks the data (and fills defaults in). `quotable` says whether a value may be shown: never secrets. */
export function check(
  validate: ValidateFunction,
  data: unknown,
  quotable: (pointer: string) => boolean,
): readonly Finding[] {
  if (validate(data)) return []
  const findings = new Map<string, Finding>()
  for (const error of validate.errors ?? []) {
    const finding = toFinding(error, quotable)
    if (finding !== null) findings.set(`${finding.pointer} ${finding.message}`, finding)
  }
  return [...findings.values()]
}

function toFinding(error: ErrorObject, quotable: (pointer: string) => boolean): Finding | null {
  const pointer = error.instancePath
  const schema = (error.parentSchema ?? {}) as SchemaNode
  const params = error.params as Record<string, unknown>
  if (error.propertyName !== undefined) {
    if (error.keyword === 'type') return null
    const child = joinPointer(pointer, error.propertyName)
    const remedy = schema.hint ?? 'Choose another name.'
    return {
      code: 'TL_CONFIG_INVALID',
      pointer: child,
      at: 'key',
      message: `"${error.propertyName}" is not a valid name`,
      remedy,
    }
  }
  switch (error.keyword) {
    case 'propertyNames':
    case 'if':
      return null
    case 'additionalProperties': {
      const key = String(params['additionalProperty'])
      return unknownKey(joinPointer(pointer, key), key, Object.keys(schema.properties ?? {}))
    }
    case 'required': {
      const key = String(params['missingProperty'])
      const remedy = describe(key, schema.properties?.[key])
      return { code: 'TL_CONFIG_KEY_MISSING', pointer, at: 'key', message: `"${key}" is missing`, remedy }
    }
    default: {
      const key = pointer.slice(pointer.lastIndexOf('/') + 1)
      const quote = schema.secret !== true && quotable(pointer) && typeof error.data !== 'object'
      const message = describeFault(error, schema, quote)
      const remedy = remedyOf(error, schema, key, quote)
      return { code: 'TL_CONFIG_INVALID', pointer, at: 'value', message, remedy }
    }
  }
}

function unknownKey(pointer: string, key: string, known: readonly string[]): Finding {
  const near = suggest(key, known)
  return {
    code: 'TL_CONFIG_KEY_UNKNOWN',
    pointer,
    at: 'key',
    message: `unknown key "${key}"${didYouMean(key, known)}`,
    remedy:
      near !== null
        ? `Write "${near}", or remove the key.`
        : known.length === 0
          ? 'Remove the key.'
          : `Remove it; known keys: ${known.join(', ')}.`,
  }
}

function describeFault(error: ErrorObject, schema: SchemaNode, quote: boolean): string {
  const params = error.params as Record<string, unknown>
  const text = String(error.data).slice(0, 60)
  const shown = !quote ? 'the value' : typeof error.data === 'string' ? `"${text}"` : text
  switch (error.keyword) {
    case 'type': {
      const wanted = [params['type']].flat().map(typeName).join(' or ')
      return `expected ${wanted}, found ${typeName(kindOf(error.data))}`
    }
    case 'enum': {
      const near = quote ? didYouMean(String(error.data), (schema.enum ?? []).map(String)) : ''
      return `${shown} is not one of ${(schema.enum ?? []).map(String).join(', ')}${near}`
    }
    case 'const':
      return `${shown} is not ${JSON.stringify(schema.const)}`
    case 'minimum':
    case 'exclusiveMinimum':
    case 'maximum':
    case 'exclusiveMaximum':
      return `${shown} is not ${bound(String(params['comparison']))} ${String(params['limit'])}`
    case 'minLength':
      return error.data === ''
        ? 'the value is empty'
        : `the value is shorter than ${String(params['limit'])} characters`
    case 'pattern':
    case 'format':
      return `${shown} does not have the right form`
    case 'minItems':
      return `the list needs at least ${String(params['limit'])} entries`
    case 'uniqueItems':
      return `entries ${String(params['j'])} and ${String(params['i'])} of the list are the same`
    default:
      return `the value ${error.message ?? 'is not valid'}`
  }
}

function remedyOf(error: ErrorObject, schema: SchemaNode, key: string, quote: boolean): string {
  if (schema.hint !== undefined) return schema.hint
  if (error.keyword === 'enum') {
    const known = (schema.enum ?? []).map(String)
    const near = quote ? suggest(String(error.data), known) : null
    return near === null ? `Use one of: ${known.join(', ')}.` : `Write "${near}".`
  }
  if (error.keyword === 'type') return typeRemedy([schema.type ?? []].flat()) + about(key, schema)
  if (error.keyword.endsWith('inimum') || error.keyword.endsWith('aximum')) return rangeOf(schema) + about(key, schema)
  if (error.keyword === 'uniqueItems') return 'Remove one of them.'
  if (error.keyword === 'pattern') return `${describe(key, schema)} It must match ${schema.pattern ?? ''}`
  return describe(key, schema)
}

/** `token: Channel access token (required, secret)` - what the schema says about a key. */
function describe(key: string, schema: SchemaNode | undefined): string {
  const type = schema?.type === undefined ? '' : ` (${[schema.type].flat().join(' or ')})`
  const text = schema?.description ?? schema?.hint
  return text === undefined ? `Set "${key}" to a valid value${type}.` : `${key}${type}: ${text}`
}

function about(key: string, schema: SchemaNode): string {
  return schema.description === undefined ? '' : ` ${key}: ${schema.description}`
}

function typeRemedy(types: readonly string[]): string {
  if (types.includes('object')) return 'Write lines of "key: value" below it, indented.'
  if (types.includes('array')) return 'Write a list: [first, second].'
  if (types.includes('integer')) return 'Write a whole number, without quotes.'
  if (types.includes('number')) return 'Write a number, without quotes.'
  if (types.includes('boolean')) return 'Write true or false, without quotes.'
  return 'Write text; put it in quotes when it looks like a number.'
}

function bound(comparison: string): string {
  const words: Record<string, string> = { '>=': 'at least', '<=': 'at most', '>': 'above', '<': 'below' }
  return words[comparison] ?? comparison
}

function rangeOf(schema: SchemaNode): string {
  const { minimum, maximum } = schema
  if (minimum !== undefined && maximum !== undefined) return `Use a number from ${minimum} to ${maximum}.`
  if (minimum !== undefined) return `Use ${minimum} or more.`
  return maximum === undefined ? 'Use a number in range.' : `Use ${maximum} or less.`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a block of keys',
  null: 'nothing',
}

function typeName(type: unknown): string {
  return typeNames[String(type)] ?? String(type)
}

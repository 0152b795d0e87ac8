/** The part of JSON Schema that our own schemas use; `hint` is ours: what to do when a value does not fit. */
export interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly hint?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly uniqueItems?: boolean
  readonly items?: SchemaNode
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly propertyNames?: SchemaNode
  readonly additionalProperties?: boolean | SchemaNode
  readonly required?: readonly string[]
  readonly secret?: true
  readonly public?: true
  readonly [keyword: string]: unknown
}

export const idNames: SchemaNode = {
  type: 'string',
  pattern: '^[a-z][a-z0-9-]{1,40}$',
  hint: 'Use 2 to 41 lower-case letters, digits and dashes, beginning with a letter.',
}
export const names = (description: string): SchemaNode => ({
  type: 'array',
  description,
  default: [],
  uniqueItems: true,
  items: { type: 'string', minLength: 1 },
})
export const group = (description: string, properties: Record<string, SchemaNode>): SchemaNode => ({
  type: 'object',
  description,
  default: {},
  additionalProperties: false,
  properties,
})
export const map = (description: string, entry: SchemaNode, propertyNames: SchemaNode = idNames): SchemaNode => ({
  type: 'object',
  description,
  default: {},
  propertyNames,
  additionalProperties: entry,
})

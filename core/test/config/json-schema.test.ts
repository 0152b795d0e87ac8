import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import ajvFormats from 'ajv-formats'
import { test } from 'tap'
import { parse } from 'yaml'
import { configJsonSchema } from '../../src/config/json-schema.js'
import { defaultFile } from './fixtures.js'

const plugin = {
  use: 'channel-sample',
  kind: 'channel',
  schema: {
    type: 'object',
    required: ['token'],
    properties: { token: { type: 'string', secret: true }, size: { type: 'integer' } },
  },
} as const

function validator(schema: object): (data: unknown) => boolean {
  const ajv = new Ajv({ strict: false, allErrors: true })
  ajvFormats.default(ajv)
  const validate = ajv.compile(schema)
  return (data) => validate(data)
}

test('editors accept the default file as it is written, variables included', (t) => {
  const accepts = validator(configJsonSchema([]))
  t.ok(accepts(parse(readFileSync(defaultFile, 'utf8'))))
  t.ok(accepts({ version: 1, server: { port: '${PORT:-8080}' }, log: { level: '${LEVEL}' } }))
  t.notOk(accepts({ version: 1, server: { port: '8080' } }))
  t.notOk(accepts({ version: 1, chanels: {} }))
  t.end()
})

test('settings of a plugin are checked where it is used, and only there', (t) => {
  const accepts = validator(configJsonSchema([plugin]))
  const channel = (entry: object): object => ({ version: 1, channels: { c1: entry } })
  t.ok(accepts(channel({ use: 'channel-sample', config: { token: '${T}', size: '${S}' } })))
  t.notOk(accepts(channel({ use: 'channel-sample', config: { token: '${T}', sise: 1 } })))
  t.notOk(accepts(channel({ use: 'channel-sample' })), 'a required setting asks for the block')
  t.ok(accepts(channel({ use: './own.js', config: { anything: 1 } })))
  t.end()
})

test('no keyword of ours is left in the schema', (t) => {
  t.notMatch(JSON.stringify(configJsonSchema([plugin])), /"(hint|secret|public)":(true|")/)
  t.end()
})

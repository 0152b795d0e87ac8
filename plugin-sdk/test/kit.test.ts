import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'tap'
import type { Test } from 'tap'
import {
  contentId,
  defineChannel,
  defineIdentity,
  hmac,
  idOf,
  listOf,
  objectOf,
  PluginError,
  textOf,
  timeOf,
  unverified,
} from '../src/index.js'
import { channelConformance, identityConformance } from '../testing/index.js'
import type { ChannelConformanceOptions, TestApi } from '../testing/index.js'

/** A runner that runs everything and fails nothing: what the kit found is in its report. */
const silent: TestApi = {
  test: async (_name, run) => {
    try {
      await run(silent)
    } catch {
      return
    }
  },
  ok: () => undefined,
  equal: () => undefined,
}

function packageFolder(t: Test, files: Readonly<Record<string, string>>): URL {
  const folder = mkdtempSync(join(tmpdir(), 'throughline-kit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return pathToFileURL(`${folder}/`)
}
const sdk = { '@throughline/plugin-sdk': '^0.1.0' }
const goodPackage = {
  'README.md': '## What it does\n## Set-up\n## Settings\n`token` `api`\n## Limits\n',
  'package.json': JSON.stringify({ exports: './index.js', peerDependencies: sdk, devDependencies: sdk }),
}
const config = {
  type: 'object',
  required: ['token', 'api'],
  properties: {
    token: { type: 'string', secret: true, description: 'API token' },
    api: { type: 'string', description: 'Address of the network' },
  },
} as const

type Hook = { events: { id: string; at: number; user: string; text: string }[] }
const sample = (text = 'Hello') => ({ events: ['1', '2'].map((id) => ({ id, at: 1767614400000, user: 'u', text })) })
const options = (root: URL): ChannelConformanceOptions => ({
  root,
  config: (api) => ({ token: 'token-of-tests', api }),
  invalidConfig: [{ config: {}, path: '/token' }],
  requests: { text: { body: sample(), types: ['message', 'message'] } },
  withText: (text) => sample(text),
  answer: () => ({ body: { id: 'sent-1' } }),
})

/** A whole channel in few lines: what a newcomer would write. */
const small = defineChannel({
  name: 'small',
  version: '1.0.0',
  docs: 'README.md',
  config,
  capabilities: { text: { maxLength: 500, format: 'plain' }, receipts: 'none' },
  setup: ({ config: { token, api }, http }) => ({
    webhook: {
      verify: hmac({ header: 'x-signature', algorithm: 'sha256', encoding: 'hex', secret: token }),
      parse: (request) =>
        listOf(objectOf(request.json())['events'])
          .map(objectOf)
          .map((e) => {
            const [id, user, text] = [idOf(e['id']), idOf(e['user']), textOf(e['text'])]
            const at = timeOf(e['at'], 'ms', request.receivedAt)
            return id && user && text
              ? { type: 'message', id, at, thread: { id: user }, sender: { id: user }, text }
              : { type: 'unknown', id: contentId('odd', e), at, note: 'an event that is no message' }
          }),
    },
    async send(part, { signal }) {
      const answer = await http.post(`${api}/send`, {
        bearer: token,
        json: { to: part.thread.id, text: part.text },
        signal,
      })
      return { externalId: answer.json<{ id: string }>().id }
    },
  }),
})

test('a small good channel reaches gold', async (t) => {
  const report = await channelConformance(t, small, options(packageFolder(t, goodPackage)))
  t.same(report.failed, [])
  t.equal(report.grade, 'gold')
  t.ok(report.passed.length > 20)
  for (const reason of Object.values(report.skipped)) t.ok(reason.length > 8)
})

test('a careless channel is told each of its mistakes', async (t) => {
  let count = 0
  const careless = defineChannel({
    name: 'Careless Channel',
    version: 'one',
    config: {
      type: 'object',
      properties: { apiToken: { type: 'string', default: 7 }, api: { type: 'string', oneOf: [] } },
    },
    capabilities: { text: { maxLength: 500, format: 'plain' }, receipts: 'none', typing: true, idempotentSend: true },
    setup: (context) => {
      void fetch('http://127.0.0.1:1').catch(() => undefined)
      const timer = setInterval(() => undefined, 1000)
      t.teardown(() => clearInterval(timer))
      return {
        webhook: {
          verify: {
            ...hmac({ header: 'x-signature', algorithm: 'sha256', encoding: 'hex', secret: 'a' }),
            verify: () => 'ok' as const,
          },
          challenge: () => ({ body: 'whatever you like' }),
          parse: (request) => {
            count += 1
            return request.json<Hook>().events.map((e) => ({
              type: 'message' as const,
              id: `${e.id}-${count}`,
              at: e.at,
              thread: { id: e.user },
              sender: { id: e.user.trim() },
              text: e.text,
            }))
          },
        },
        send: async (part) => {
          const { api, apiToken } = context.config as { api: string; apiToken: string }
          const answer = await context.http.post(`${api}/send`, {
            json: { text: part.text.slice(0, 100) },
            allowStatus: true,
          })
          if (answer.status >= 300) throw new PluginError('permanent', `failed with ${apiToken}`)
          return { externalId: '' }
        },
        edit: async () => undefined,
        stop: async () => Promise.reject(new Error('already stopped')),
      }
    },
    check: async () => ({ ok: true }),
  })
  const report = await channelConformance(silent, careless, {
    ...options(
      packageFolder(t, {
        'README.md': '# Hi',
        'package.json': JSON.stringify({ dependencies: { ...sdk, '@throughline/core': '1' } }),
      }),
    ),
    config: (api) => ({ apiToken: 'token-of-tests', api }),
    oddItem: { good: sample(), odd: { events: [sample().events[0], { id: '2' }] } },
    requests: { text: { body: sample() }, echo: { body: sample(), echo: true } },
    challenge: { query: { mode: 'a' }, body: 'a', wrong: { mode: 'b' } },
  })
  t.same(
    [...report.failed].sort(),
    [
      'C2',
      'C3',
      'I1',
      'I2',
      'I3',
      'I4',
      'I5',
      'I6',
      'I8',
      'L1',
      'L2',
      'L3',
      'L6',
      'M1',
      'M3',
      'M4',
      'M5',
      'O1',
      'O2',
      'O3',
      'O4',
      'O5',
    ].sort(),
  )
  t.equal(report.grade, 'none')
})

test('a secret in an error is found', async (t) => {
  const leaking = defineChannel({
    ...small,
    setup: ({ config: { token } }) => ({ send: () => Promise.reject(new Error(`no answer for ${token}`)) }),
  })
  const report = await channelConformance(silent, leaking, options(packageFolder(t, goodPackage)))
  t.ok(report.failed.includes('C4'))
})

test('a channel that cannot sign is skipped with the reason, and an exemption costs gold', async (t) => {
  const open = defineChannel({
    ...small,
    setup: async (context) => {
      const channel = await small.setup(context)
      return {
        ...channel,
        webhook: {
          ...channel.webhook,
          verify: unverified('the network signs nothing'),
          parse: channel.webhook?.parse ?? (() => []),
        },
      }
    },
  })
  const report = await channelConformance(silent, open, {
    ...options(packageFolder(t, goodPackage)),
    skip: { O2: 'no room in this test' },
  })
  t.equal(report.skipped['I1'], 'the network cannot sign')
  t.equal(report.skipped['O2'], 'no room in this test')
  t.equal(report.grade, 'silver')
})

test('an identity plugin that raises a claim is found out', async (t) => {
  const trusting = defineIdentity({
    name: 'trusting',
    version: '1.0.0',
    docs: 'README.md',
    config: { type: 'object', properties: {} },
    setup: () => ({
      resolve: ({ sender }) =>
        (sender.identifiers ?? []).map(({ kind, value }) => ({
          identifier: { kind, value: `${value}!` },
          assurance: 'verified',
          confidence: 2,
          evidence: '',
        })),
    }),
  })
  const report = await identityConformance(silent, trusting, {
    root: packageFolder(t, goodPackage),
    config: {},
    invalidConfig: [{ config: { a: 1 }, path: '/a' }],
  })
  t.same(report.failed, ['D1', 'D2', 'D3'])
  t.equal(report.grade, 'bronze')
})

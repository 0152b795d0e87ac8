import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { test } from 'tap'
import { installCrashAttribution } from '../../src/plugins/crash.js'
import { withDatabase } from '../support/database.js'
import { channel, fixtures, testHost, until } from './support.js'

const fixture = <T>(name: string): Promise<T> => import(pathToFileURL(join(fixtures, name)).href) as Promise<T>

test('bad plugins of every sort leave the good one running, and each says what to do', async (t) => {
  const store = await withDatabase(t)
  const broken = join(t.testdir({ 'broken.mjs': 'export default { unfinished: ' }), 'broken.mjs')
  const { host, lines } = await testHost(t, store, {
    channels: [
      channel('ok', './good.mjs'),
      channel('missing', './nowhere.mjs'),
      channel('package', '@acme/throughline-nothing'),
      channel('import', './throws-at-import.mjs'),
      channel('syntax', broken),
      channel('no-default', './no-default.mjs'),
      channel('unbranded', './not-a-plugin.mjs'),
      channel('future', './wrong-version.mjs'),
      channel('past', './older-version.mjs'),
      channel('kind', './identity.mjs'),
      channel('nothing', './returns-nothing.mjs'),
      channel('setup', './throws-in-setup.mjs', { onFailure: 'disable' }),
      channel('hang-setup', './hangs.mjs', { config: { where: 'setup' }, onFailure: 'disable' }),
      channel('hang-start', './hangs.mjs', { config: { where: 'start' }, onFailure: 'disable' }),
      channel('settings', './credentials.mjs'),
      channel('typo', './good.mjs', { config: { tokn: 'x' } }),
    ],
    random: () => 1,
  })
  await host.start()
  const status = Object.fromEntries(host.statuses().map((it) => [it.id, it]))
  const seen = Object.fromEntries(host.statuses().map((it) => [it.id, `${it.state} ${it.code ?? ''}`.trim()]))
  t.same(seen, {
    ok: 'running',
    missing: 'failed TL_PLUGIN_NOT_FOUND',
    package: 'failed TL_PLUGIN_NOT_FOUND',
    import: 'failed TL_PLUGIN_LOAD_FAILED',
    syntax: 'failed TL_PLUGIN_LOAD_FAILED',
    'no-default': 'failed TL_PLUGIN_INVALID',
    unbranded: 'failed TL_PLUGIN_INVALID',
    future: 'incompatible TL_PLUGIN_INCOMPATIBLE',
    past: 'incompatible TL_PLUGIN_INCOMPATIBLE',
    kind: 'failed TL_PLUGIN_INVALID',
    nothing: 'failed bug',
    setup: 'disabled bug',
    'hang-setup': 'disabled TL_PLUGIN_TIMEOUT',
    'hang-start': 'disabled TL_PLUGIN_TIMEOUT',
    settings: 'invalid_config TL_CONFIG_KEY_MISSING',
    typo: 'invalid_config TL_CONFIG_KEY_UNKNOWN',
  })
  for (const it of host.statuses()) {
    if (it.state === 'running') continue
    t.ok(it.userAction, `${it.id} names a remedy`)
    t.ok(it.message, `${it.id} says what is wrong`)
    const told = lines.filter((line) => line.fields['instance'] === it.id && line.fields['state'] === it.state)
    t.equal(told.length, 1, `${it.id} is logged once`)
  }
  t.match(status['package']?.message, /npm i @acme\/throughline-nothing/)
  t.match(status['future']?.message, /npm i @throughline\/core@\^9\.0\.0/)
  t.match(status['past']?.message, /npm i -D @throughline\/plugin-sdk@\^0\.1\.0/)
  t.match(status['typo']?.userAction, /token/)
  t.match(status['settings']?.message, /throughline\.yaml:8:3/)
  const sent = await host
    .channel('ok')!
    .call('send', 1000, (live, signal) => live.send({ id: '7', text: 'x' } as any, { signal, attempt: 1 }))
  t.equal(sent.externalId, '7')
  await t.rejects(
    host.channel('setup')!.call('send', 1000, async () => 1),
    { code: 'TL_CHANNEL_UNAVAILABLE' },
  )
  t.equal(host.channel('setup')!.live, null)
  t.equal(status['ok']?.signature, 'token')
})

test('an incompatible plugin runs when the operator allows it', async (t) => {
  const store = await withDatabase(t)
  const { host, lines } = await testHost(t, store, {
    channels: [channel('future', './wrong-version.mjs', { allowIncompatible: true })],
  })
  await host.start()
  t.equal(host.statuses()[0]?.state, 'running')
  t.ok(lines.some((line) => line.level === 'warn' && line.fields['code'] === 'TL_PLUGIN_INCOMPATIBLE'))
})

test('a TypeScript plugin is loaded by its path, a package by its name, and both from the folder of the configuration', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, {
    channels: [channel('typed', './typed.ts'), channel('url', pathToFileURL(join(fixtures, 'good.mjs')).href)],
  })
  await host.start()
  t.same(
    host.statuses().map((it) => [it.state, it.plugin]),
    [
      ['running', 'typed'],
      ['running', 'good'],
    ],
  )
  t.equal(host.statuses()[0]?.signature, 'unverified: a fixture')
  const sent = await host
    .channel('typed')!
    .call('send', 1000, (live, signal) => live.send({ id: '1' } as any, { signal, attempt: 1 }))
  t.equal(sent.externalId, 'hello:1', 'defaults of the settings are filled in')
})

test('an instance that failed is tried again until it runs', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, {
    channels: [channel('heals', './throws-in-setup.mjs', { config: { heals: 4 } })],
  })
  const states: string[] = []
  host.onChange((status) => void states.push(status.state))
  await host.start()
  await until(() => host.statuses()[0]?.state === 'running')
  t.ok(states.filter((state) => state === 'failed').length >= 1)
  t.equal(host.statuses()[0]?.code, null)
})

test('a secret appears in no log line, no status and no error, however the plugin says it', async (t) => {
  const store = await withDatabase(t)
  const canary = 'canary-5f1c9e'
  const { host, lines } = await testHost(t, store, {
    channels: [channel('leaky', './leaky.mjs', { config: { token: canary } })],
  })
  await host.start()
  const everything = JSON.stringify([lines, host.statuses()])
  t.notMatch(everything, canary)
  t.match(everything, /\[redacted\]/)
  t.ok(lines.length >= 3)
})

test('errors that escape from timers and promises restart their own instance only', async (t) => {
  const store = await withDatabase(t)
  const { host, lines } = await testHost(t, store, {
    channels: [
      channel('timer', './escapes.mjs', { config: { how: 'timer' } }),
      channel('promise', './escapes.mjs', { config: { how: 'promise' } }),
      channel('ok', './good.mjs'),
    ],
  })
  // tap listens for the same events to fail the test; for this one the engine's listener is the only one.
  const kinds = ['uncaughtException', 'unhandledRejection'] as const
  const others = kinds.map((kind) => [kind, process.listeners(kind as any)] as const)
  for (const kind of kinds) process.removeAllListeners(kind)
  let exit: number | undefined
  const changes: string[] = []
  host.onChange((status) => void changes.push(`${status.id} ${status.state}`))
  const undo = installCrashAttribution(host, { ...hostLog(lines) }, { exit: (code) => (exit = code) })
  try {
    await host.start()
    await until(() => ['timer', 'promise'].every((id) => changes.includes(`${id} failed`)))
    await until(() => host.statuses().every((it) => it.state === 'running'))
    await new Promise((resolve) => setTimeout(resolve, 0))
    t.equal(exit, undefined)
    t.notOk(changes.includes('ok failed'))
    setTimeout(() => {
      throw new Error('nobody in particular')
    }, 0)
    await until(() => exit !== undefined)
    t.equal(exit, 1, 'an error of the engine itself ends the process')
  } finally {
    undo()
    for (const [kind, listeners] of others) for (const listener of listeners) process.on(kind as any, listener)
  }
})

function hostLog(lines: unknown[]): any {
  const add = (fields: object, message: string): void => void lines.push({ fields, message })
  return { debug: add, info: add, warn: add, error: add }
}

test('credentials that fail the check hold the instance until they pass', async (t) => {
  const store = await withDatabase(t)
  const { account } = await fixture<{ account: { accepted: boolean; checks: number } }>('credentials.mjs')
  account.accepted = false
  const { host } = await testHost(t, store, {
    channels: [channel('c', './credentials.mjs', { config: { token: 's3cr3t-token' }, checkOnStart: true })],
  })
  await host.start()
  const before = host.statuses()[0]!
  t.equal(before.state, 'bad_credentials')
  t.equal(before.message, 'the token [redacted] was not accepted')
  account.accepted = true
  await until(() => host.statuses()[0]?.state === 'running')
  t.ok(account.checks >= 2)
})

test('reported credentials stop what goes out, keep what comes in, and a passing check ends it', async (t) => {
  const store = await withDatabase(t)
  const { account } = await fixture<{ account: { accepted: boolean; checks: number } }>('credentials.mjs')
  account.accepted = false
  const { host } = await testHost(t, store, {
    channels: [channel('c', './credentials.mjs', { config: { token: 'abc-secret' } })],
  })
  await host.start()
  const instance = host.channel('c')!
  t.equal(instance.status().state, 'running')
  instance.report('auth', 'token abc-secret rejected')
  t.equal(instance.status().state, 'bad_credentials')
  t.equal(instance.status().message, 'token [redacted] rejected')
  await t.rejects(
    instance.call('send', 100, async () => 1),
    { code: 'TL_CHANNEL_UNAVAILABLE' },
  )
  t.equal(await instance.call('parse', 100, () => 'parsed'), 'parsed')
  account.accepted = true
  await until(() => instance.status().state === 'running')
  t.equal(await instance.call('send', 100, async () => 1), 1)
})

test('a plugin that does not stop does not hold up the others', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, {
    channels: [channel('hang-stop', './hangs.mjs', { config: { where: 'stop' } }), channel('ok', './good.mjs')],
  })
  await host.start()
  t.same(
    host.statuses().map((it) => it.state),
    ['running', 'running'],
  )
  await host.stop()
  t.same(
    host.statuses().map((it) => it.state),
    ['stopped', 'stopped'],
  )
})

test('a stop in the middle of a start ends it', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, {
    channels: [channel('hang', './hangs.mjs', { config: { where: 'setup' } })],
    limits: { setup: 3_600_000 },
  })
  const starting = host.start()
  await until(() => host.statuses()[0]?.state === 'starting')
  await host.stop()
  await starting
  t.equal(host.statuses()[0]?.state, 'stopped')
  t.equal(host.channel('hang')?.live, null)
})

test('the same failure at every retry is told once', async (t) => {
  const store = await withDatabase(t)
  const { host, lines } = await testHost(t, store, { channels: [channel('x', './returns-nothing.mjs')] })
  let failures = 0
  host.onChange((status) => void (failures += status.state === 'failed' ? 1 : 0))
  await host.start()
  await until(() => failures >= 4)
  t.equal(lines.filter((line) => line.level === 'error').length, 1)
})

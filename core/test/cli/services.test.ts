import { test, type Test } from 'tap'
import { run } from '../../src/cli/run.js'
import { explained, fakeEngine } from './fake-engine.js'
import { recordingTerminal } from './recording-terminal.js'

interface Outcome {
  readonly code: number
  readonly output: string
  readonly errors: string
  readonly calls: readonly unknown[]
}

const config = 'version: 1\nteams: { support: {} }\nchannels: { shop: { use: "./s.js", config: { token: "${T}" } } }\n'

async function command(t: Test, argv: readonly string[], input?: string): Promise<Outcome> {
  const cwd = t.testdir({ 'config.yaml': config })
  const env = { T: 'sesame-open', THROUGHLINE_CONFIG: 'config.yaml' }
  const terminal = recordingTerminal({ cwd, env, ...(input === undefined ? {} : { input }) })
  const engine = fakeEngine()
  const code = await run(argv, terminal, engine.entry)
  t.equal(engine.open(), 0, 'services are closed again')
  return { code, output: terminal.output, errors: terminal.errors, calls: engine.calls }
}

test('agent add hands the account over; teams and roles are checked before', async (t) => {
  const added = await command(t, [
    'agent',
    'add',
    'cleo',
    '--email',
    'cleo@example.org',
    '--name',
    'Cleo',
    '--teams',
    'support',
  ])
  t.equal(added.code, 0)
  t.same(added.calls, [
    ['add', { id: 'cleo', name: 'Cleo', email: 'cleo@example.org', role: 'agent', teams: ['support'] }],
  ])
  t.match(added.output, 'throughline agent password cleo')
  const faults: readonly (readonly [readonly string[], string])[] = [
    [['add'], 'the id of the agent is missing'],
    [['add', 'Cleo', '--email', 'c@d'], 'not a valid id'],
    [['add', 'cleo'], '--email'],
    [['add', 'cleo', '--email', 'c@d', '--role', 'amdin'], 'did you mean "admin"?'],
    [['add', 'cleo', '--email', 'c@d', '--teams', 'suport'], 'did you mean "support"?'],
  ]
  for (const [argv, wanted] of faults) {
    const result = await command(t, ['agent', ...argv])
    t.equal(result.code, 64, argv.join(' '))
    t.match(result.errors, wanted)
    t.same(result.calls, [])
  }
})

test('agent password makes one and prints it once, or reads it from standard input', async (t) => {
  const made = await command(t, ['agent', 'password', 'ada'])
  t.match(made.output, /^[\w-]{20}$/)
  t.same(made.calls, [['setPassword', 'ada', made.output]])
  const given = await command(t, ['agent', 'password', 'ada', '--stdin'], 'correct horse battery\n')
  t.same(given.calls, [['setPassword', 'ada', 'correct horse battery']])
  t.notMatch(given.output + given.errors, 'correct horse')
  t.equal((await command(t, ['agent', 'password', 'ada', '--stdin'], 'short')).code, 64)
})

test('an agent who does not exist is said to, with exit code 1', async (t) => {
  for (const action of ['password', 'code', 'disable', 'enable']) {
    const result = await command(t, ['agent', action, 'nobody'])
    t.equal(result.code, 1, action)
    t.match(result.errors, /^throughline: agent "nobody" does not exist: .+ \(TL_REQUEST_NOT_FOUND\)$/)
    t.same(result.calls, [])
  }
})

test('agent code, disable and enable', async (t) => {
  t.equal((await command(t, ['agent', 'code', 'ada'])).output, 'code-123')
  t.same((await command(t, ['agent', 'disable', 'ada'])).calls, [['setDisabled', 'ada', true]])
  t.same((await command(t, ['agent', 'enable', 'ada'])).calls, [['setDisabled', 'ada', false]])
})

test('lists come as tables for people and as JSON for machines', async (t) => {
  const agents = await command(t, ['agent', 'list'])
  t.same(agents.output.split('\n'), [
    'ID   NAME  E-MAIL           ROLE   TEAMS    PASSWORD  STATE',
    'ada  Ada   ada@example.org  admin  support  set       active',
  ])
  t.match(JSON.parse((await command(t, ['agent', 'list', '--json'])).output), [{ id: 'ada' }])
  t.match((await command(t, ['token', 'list'])).output, /t1 +crm +integrator +1970-01-01 00:00Z +revoked/)
  t.match(JSON.parse((await command(t, ['token', 'list', '--json'])).output), [{ id: 't1' }])
})

test('token create prints the token alone on standard output', async (t) => {
  const created = await command(t, ['token', 'create', '--name', 'crm', '--days', '30'])
  t.equal(created.output, 'tl_secret')
  t.match(created.calls, [['createToken', { name: 'crm', role: 'integrator', expiresAt: Date }]])
  t.equal((await command(t, ['token', 'create'])).code, 64)
  t.equal((await command(t, ['token', 'create', '--name', 'x', '--days', 'soon'])).code, 64)
})

test('token revoke says when there is no such token', async (t) => {
  t.equal((await command(t, ['token', 'revoke', 't1'])).code, 0)
  t.equal((await command(t, ['token', 'revoke', 't9'])).code, 1)
})

test('webhooks list, deliveries and replay', async (t) => {
  const list = await command(t, ['webhooks', 'list'])
  t.equal(list.code, 0)
  t.match(list.output, /crm +https:\/\/crm\.example\.org +disabled +gone +3 +12 +2/)
  const log = await command(t, ['webhooks', 'deliveries', 'crm', '--limit', '5', '--before', '9'])
  t.same(log.calls, [['webhooks.deliveries', 'crm', { limit: 5, before: 9 }]])
  t.match(log.output, /7 +sla\.breached +pending +2 +503 +status/)
  t.match(JSON.parse((await command(t, ['webhooks', 'deliveries', 'crm', '--json'])).output), [{ messageId: 'msg_7' }])
  const operator = { kind: 'system', id: null }
  const one = await command(t, ['webhooks', 'replay', 'crm', '--position', '7'])
  t.same(one.calls, [['webhooks.replay', 'crm', { position: 7 }, operator]])
  t.match(one.output, '1 to be sent again')
  const since = await command(t, ['webhooks', 'replay', 'crm', '--since', '4', '--json'])
  t.same(since.calls, [['webhooks.replay', 'crm', { since: 4 }, operator]])
  t.same(JSON.parse(since.output), { replayed: 1, last: 7 })
  const faults: readonly (readonly [readonly string[], string])[] = [
    [['replay', 'crm'], 'either --position N or --since N'],
    [['replay', 'crm', '--position', '7', '--since', '7'], 'either --position N or --since N'],
    [['replay', 'crm', '--position', 'seven'], '--position needs the position'],
    [['deliveries'], 'the id of the webhook is missing'],
    [['replya', 'crm'], 'did you mean "replay"?'],
  ]
  for (const [argv, wanted] of faults) {
    const result = await command(t, ['webhooks', ...argv])
    t.equal(result.code, 64, argv.join(' '))
    t.match(result.errors, wanted)
    t.same(result.calls, [])
  }
})

test('outbound list and release', async (t) => {
  t.match((await command(t, ['outbound', 'list'])).output, /shop +3 +1970-01-01 00:00Z/)
  const release = await command(t, ['outbound', 'release', '--channel', 'shop'])
  t.same(release.calls, [['held.release', 'shop']])
  t.match(release.output, /^3 released/)
  t.same((await command(t, ['outbound', 'release'])).calls, [['held.release', null]])
  t.equal((await command(t, ['outbound', 'drop'])).code, 64)
})

test('inbox list, show and replay', async (t) => {
  const list = await command(t, ['inbox', 'list', '--channel', 'shop', '--limit', '5'])
  t.same(list.calls, [['list', { limit: 5, channel: 'shop' }]])
  t.match(list.output, /7 +shop +1970-01-01 00:00Z +TL_INBOUND_BODY_INVALID +not JSON/)
  t.match(list.errors, '1 parked, 2 waiting')
  const show = await command(t, ['inbox', 'show', '7'])
  t.match(JSON.parse(show.output), { id: 7, raw: '{"text": "hello', headers: { 'x-token': '[redacted]' } })
  t.equal((await command(t, ['inbox', 'show', '7', '--raw'])).output, '{"text": "hello')
  t.equal((await command(t, ['inbox', 'show', '9'])).code, 1)
  t.equal((await command(t, ['inbox', 'show', 'seven'])).code, 64)
  const replay = await command(t, ['inbox', 'replay', '7', '8'])
  t.equal(replay.code, 1, 'something is still parked')
  t.same(replay.calls, [['replay', [7, 8]]])
  t.match(replay.output, '8  still not JSON')
  t.same((await command(t, ['inbox', 'replay', '--all'])).calls, [['replay', 'all']])
  t.equal((await command(t, ['inbox', 'replay'])).code, 64)
})

test('sla explain shows promise, use and what happened', async (t) => {
  const found = await command(t, ['sla', 'explain', explained.conversation])
  t.equal(found.code, 0)
  t.match(found.output, /open, priority normal, handled by human; nobody waits/)
  t.match(found.output, /first_reply\s+met_late, waived\s+15 min\s+15 min/)
  t.equal(found.output.split('the office had no power').length, 2, 'who excused it and why, once')
  t.match(found.output, /waived\s+first_reply 1 {2}by ada: the office/)
  t.match(found.output, /sla\.breached\s+first_reply 1 {2}100%/)
  t.match(JSON.parse((await command(t, ['sla', 'explain', explained.conversation, '--json'])).output), {
    clocks: [{ usedS: 901 }],
  })
  t.equal((await command(t, ['sla', 'explain', 'nobody'])).code, 1)
})

test('plugin release says what it released, and what is in quarantine when it was something else', async (t) => {
  const released = await command(t, ['plugin', 'release', 'sms'])
  t.equal(released.code, 0)
  t.match(released.output, 'sms runs again within 5 seconds')
  const wrong = await command(t, ['plugin', 'release', 'mail'])
  t.equal(wrong.code, 1)
  t.match(wrong.errors, 'mail is not in quarantine; in quarantine: sms (TL_REQUEST_NOT_FOUND)')
})

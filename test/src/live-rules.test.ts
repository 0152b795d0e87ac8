import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import { tokenFor } from './support/agent.js'
import { throughline } from './support/cli.js'
import { startEngineProcess, type EngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { startLoad } from './support/generator.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { fakeProvider } from './support/providers.js'
import { signStandard } from './support/signatures.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(240_000)

const secret = 'the-secret-of-the-api-channel'

interface Place {
  readonly engine: EngineProcess
  readonly databaseUrl: string
  /** REST as the administrator. */
  ask(path: string, body?: object): Promise<any>
  /** A message of a new customer; the queue it went to, and the conversation. */
  say(text: string, sender?: object): Promise<{ readonly queue: string; readonly conversation: string }>
  edit(change: (file: any) => void): Promise<string>
  broken(text: string): Promise<void>
  inForce(): Promise<any>
  cli(...args: readonly string[]): ReturnType<typeof throughline>
}

async function start(t: Test, more: object = {}): Promise<Place> {
  const databaseUrl = await freshDatabaseUrl(t)
  const channels = {
    api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: 'http://127.0.0.1:9/none' } },
  }
  const engine = await startEngineProcess(t, { config: configWith({ channels, ...more }), databaseUrl })
  const token = await tokenFor(engine)
  const file = join(engine.workplace.dir, 'config', 'rules', 'routing.json')
  const replace = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  const ask: Place['ask'] = async (path, body) => {
    const response = await fetch(`${engine.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  let count = 0
  const seen = new Set<string>()
  return {
    engine,
    databaseUrl,
    ask,
    async say(text, sender = {}) {
      const id = `room-${++count}`
      const event = { id, type: 'message', thread: { id }, sender: { id: `user-${id}`, ...sender }, text }
      const body = JSON.stringify({ events: [event] })
      const url = `${engine.url}/channels/api/webhook`
      await startLoad([[{ lane: id, id, url, body, sign: (signed) => signStandard(signed, secret) }]], 1).done
      const found = await eventually(`the conversation of ${id}`, async () => {
        const { items } = await ask('/v1/conversations')
        return items.find((one: any) => !seen.has(one.id) && one.queue !== null)
      })
      seen.add(found.id)
      return { queue: found.queue, conversation: found.id }
    },
    async edit(change) {
      const rules = JSON.parse(await readFile(new URL('../../../config/rules/routing.json', import.meta.url), 'utf8'))
      change(rules)
      const text = JSON.stringify(rules, null, 2)
      await replace(text)
      return text
    },
    broken: replace,
    inForce: async () => (await ask('/v1/admin/rules')).items.find((one: any) => one.file === 'routing'),
    cli: (...args) =>
      throughline([args[0]!, ...args.slice(1), '--config', engine.workplace.configFile], {
        cwd: engine.workplace.dir,
        env: { DATABASE_URL: databaseUrl, PORT: String(engine.port) },
      }),
  }
}

test('a broken rule file is dropped in while messages come: the old version routes on; mended, the new one is live', async (t) => {
  const { engine, ask, say, edit, broken, inForce } = await start(t)
  t.equal((await say('my invoice')).queue, 'billing')

  await broken(
    '{ "$version": "b", "rules": [ { "id": "x", "when": { "no_such": [1] }, "then": { "queue": "sales" } } ] }',
  )
  const refused = await eventually('the refusal', async () => {
    const status = await inForce()
    return status.problems.length > 0 && status
  })
  t.match(refused, {
    source: 'file',
    version: '2026-03-01.1',
    problems: [{ code: 'TL_RULES_OPERATOR_UNKNOWN', position: { line: 1 }, message: /rule "x"/ }],
  })
  t.match(refused.problems[0].remedy, /operator/)
  t.equal((await say('my invoice again')).queue, 'billing', 'the old version goes on')
  t.match(engine.output(), /rules.*refused.*last good version goes on/s, 'and the log says so')
  t.match(engine.output(), /TL_RULES_OPERATOR_UNKNOWN/)

  await edit((file) => {
    file.$version = 'mended'
    file.rules.find((rule: any) => rule.id === 'billing').then.queue = 'sales'
    file.tests = []
  })
  await eventually('the mended version', async () => (await inForce()).version === 'mended')
  t.equal((await say('my invoice once more')).queue, 'sales', 'the new version is live')
  const { items } = await ask('/v1/events?after=0&limit=200')
  const told = items.map((event: any) => event.t ?? event.type)
  t.ok(told.includes('rules.refused') && told.includes('rules.live'), told.join(' '))
})

test('a draft is tested, compared, simulated; waiting work is planned anew; a decision is explained', async (t) => {
  const { engine, ask, say, edit, cli, inForce } = await start(t)
  const first = await say('my invoice')
  await say('hello')
  const draft = await edit((file) => {
    file.$version = 'draft-1'
    const billing = file.rules.find((rule: any) => rule.id === 'billing')
    billing.then.queue = 'sales'
    file.rules.splice(file.rules.indexOf(billing), 0, {
      id: 'greeting',
      when: { contains_word: [{ var: 'message.text' }, 'hello'] },
      then: { queue: 'support', priority: 'low' },
      stop: true,
    })
    file.tests = [{ facts: { message: { text: 'hello' } }, expect: 'greeting' }]
  })
  await eventually('the draft is live', async () => (await inForce()).version === 'draft-1')

  const tested = await cli('rules', 'test')
  t.equal(tested.code, 0, tested.stdout + tested.stderr)
  t.match(tested.stdout, /routing\.json: fine, 6 rules, 1 tests passed/)
  const wrong = join(engine.workplace.dir, 'routing-wrong.json')
  await writeFile(wrong, draft.replace('"expect": "greeting"', '"expect": "billing"'))
  const failed = await cli('rules', 'test', wrong)
  t.equal(failed.code, 78)
  t.match(failed.stdout, /routing-wrong\.json:\d+:\d+.*this test fails: rule "greeting" decided/s)

  const simulated = await cli(
    'simulate',
    '--rules',
    join(engine.workplace.dir, 'config/rules/routing.json'),
    '--since',
    '7d',
  )
  t.equal(simulated.code, 0, simulated.stderr)
  t.match(simulated.stdout, new RegExp(`${first.conversation}  billing -> billing  \\(holds: billing\\)`))
  t.match(simulated.stdout, /queue: "billing" -> "sales"/)
  t.match(simulated.stdout, /everything-else -> greeting/)
  t.match(simulated.stderr, /2 decisions, 2 would change \(100 %\)/)

  await edit(() => undefined)
  await eventually('the first version again', async () => (await inForce()).version === '2026-03-01.1')
  const file = join(engine.workplace.dir, 'routing-draft.json')
  await writeFile(file, draft)
  const compared = await cli('rules', 'diff', file, '--since', '1d')
  t.equal(compared.code, 0, compared.stderr)
  t.match(compared.stdout, /^\+ greeting$/m)
  t.match(compared.stdout, /^~ billing: then$/m)
  t.match(compared.stdout, /1 +billing +billing/)

  const none = await ask('/v1/work/replan', {})
  t.match(none, { looked: 0, changes: [] }, 'everything was planned by this version')
  await writeFile(join(engine.workplace.dir, 'config/rules/routing.json'), draft)
  await eventually('the draft is live again', async () => (await inForce()).version === 'draft-1')
  const shown = await cli('rules', 'replan')
  t.match(
    shown.stdout,
    /2 wait with another version than draft-1, 0 placed by hand.*2 would change\. Nothing was changed/,
  )
  const replanned = await ask('/v1/work/replan', { apply: true })
  t.match(replanned, { version: 'draft-1', looked: 2, applied: 2 })
  t.match(await ask(`/v1/conversations/${first.conversation}`), { queue: 'sales' })

  const explained = await cli('rules', 'explain', first.conversation)
  t.equal(explained.code, 0, explained.stderr)
  t.match(explained.stdout, /created {2}by rules, rule billing, version 2026-03-01\.1/)
  t.match(explained.stdout, /held +billing/)
  t.match(explained.stdout, /replanned {2}by rules, rule billing, version draft-1/)
  t.match(explained.stdout, /"text":"my invoice"/)
  const decisions = await ask(`/v1/conversations/${first.conversation}/decisions`)
  t.match(decisions.items, [
    { trigger: 'created', rule: 'billing' },
    { trigger: 'replanned', rule: 'billing' },
  ])
})

test('P14: an edit of throughline.yaml takes effect for agents, waits for a restart elsewhere, and is refused when broken', async (t) => {
  const { engine, cli } = await start(t)
  const file = engine.workplace.configFile
  const config = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...config, teems: {} }, null, 2))
  await eventually('the refusal', () => /TL_CONFIG_\w+.*throughline\.yaml:\d+:\d+.*teems/s.test(engine.output()))
  const agents = { ...config.agents, cleo: { name: 'Cleo', email: 'cleo@localhost.example', teams: ['support'] } }
  const queues = { ...config.queues, vip: { teams: ['support'] } }
  await writeFile(file, JSON.stringify({ ...config, agents, queues }, null, 2))
  await eventually('what needs a restart', () => /"sections":\["queues"\]/.test(engine.output()), {
    tell: engine.output,
  })
  await eventually('the new account', async () => (await cli('agent', 'list')).stdout.includes('cleo'))
  t.match((await fetch(`${engine.url}/health/ready`)).status, 200)
})

test('facts of a plugin and figures of queues decide, are kept with the decision, and are null when the plugin’s system is away', async (t) => {
  const points = await fakeProvider(t, ({ body }) =>
    body.accounts.includes('4712') ? { status: 500, body: {} } : { status: 200, body: { points: { 4711: 12_000 } } },
  )
  const folder = fileURLToPath(new URL('../../../examples/plugins/rules-loyalty', import.meta.url))
  const loyalty = { use: folder, config: { url: `${points.url}/lookup`, token: 'points-token' } }
  const { ask, say, edit, inForce } = await start(t, { routing: { loyalty, rules: { use: 'routing-rules' } } })
  await edit((file) => {
    file.$version = 'points'
    file.rules.unshift(
      {
        id: 'gold',
        when: { 'loyalty:level_gte': [{ var: 'loyalty.points' }, 'gold'] },
        then: { queue: 'sales' },
        stop: true,
      },
      {
        id: 'again',
        when: { num_gte: [{ contact_stat: ['conversations', '7d'] }, 1] },
        then: { queue: 'billing' },
        stop: true,
      },
      { id: 'full', when: { num_gt: [{ queue_stat: ['support', 'waiting'] }, 1_000] }, then: { priority: 'low' } },
    )
    file.tests = [{ facts: { loyalty: { points: 12_000 } }, expect: 'gold' }]
  })
  await eventually('the rules', async () => (await inForce()).version === 'points')
  const identifiers = [{ kind: 'account', value: '4711', assurance: 'verified' }]
  const settled = (conversation: string) =>
    eventually('the decision', async () => {
      const { items } = await ask(`/v1/conversations/${conversation}/decisions`)
      return items.find((one: any) => one.trigger === 'settled')
    })
  const gold = await settled((await say('hello', { identifiers })).conversation)
  t.match(gold, {
    source: 'rules',
    rule: 'gold',
    version: 'points',
    plan: { queue: 'sales' },
    facts: { loyalty: { points: 12_000 }, history: { conversations_7d: 0 }, queues: { support: {} } },
  })
  t.match(points.calls[0]?.body, { accounts: ['4711'] })
  const other = await settled((await say('hello')).conversation)
  t.match(other, { rule: 'everything-else', plan: { queue: 'support' }, facts: { loyalty: { points: null } } })
  const away = [{ kind: 'account', value: '4712', assurance: 'verified' }]
  const without = await settled((await say('hello', { identifiers: away })).conversation)
  t.match(without, { rule: 'everything-else', facts: { loyalty: { points: null } } })
  await eventually('the event', async () =>
    (await ask('/v1/events?after=0&limit=500')).items.some(
      (event: any) => (event.t ?? event.type) === 'plugin.error' && JSON.stringify(event).includes('the fact points'),
    ),
  )
})

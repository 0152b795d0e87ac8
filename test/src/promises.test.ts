import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { startAgent } from './support/agent.js'
import { throughline } from './support/cli.js'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { openChat } from './support/visitor.js'

tap.setTimeout(180_000)

test('a running engine keeps the clocks of what it promises', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const engine = await startEngineProcess(t, { databaseUrl, env: { HOST: '127.0.0.1' } })
  const agent = await startAgent(t, engine)
  const answer = async (conversation: string): Promise<void> => {
    const response = await fetch(`${engine.url}/v1/conversations/${conversation}/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${agent.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ body: 'here I am' }),
      signal: AbortSignal.timeout(15_000),
    })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  }
  const told = (type: string, conversation: string, metric = 'first_reply') =>
    agent.event(`${type} of ${conversation}`, (event) => {
      const data = event.d?.data ?? event.d
      return event.t === type && JSON.stringify(event).includes(conversation) && data.metric === metric
    })
  const newest = (seen: readonly string[]) =>
    eventually('a conversation', async () => {
      const { items } = await agent.get('/v1/conversations')
      return items.map((one: any) => one.id as string).find((id: string) => !seen.includes(id))
    })

  const visitor = await openChat(engine.url)
  await visitor.say('hello')
  const first: string = await newest([])

  await t.test('live chat is promised an answer in two minutes, and the answer meets it', async (t) => {
    await told('sla.started', first)
    const { items } = await agent.get(`/v1/conversations/${first}/clocks`)
    t.match(items, [{ metric: 'first_reply', state: 'running', policy: 'standard', targetS: 120, calendar: null }])
    t.equal(Date.parse(items[0].dueAt) - Date.parse(items[0].startedAt), 120_000)
    await answer(first)
    await told('sla.met', first)
    const after = await agent.get(`/v1/conversations/${first}/clocks`)
    t.match(after.items, [{ metric: 'first_reply', state: 'met', reason: null }])
    t.ok(after.items[0].usedS > 0 && after.items[0].usedS < 120)
    await visitor.say('and one more thing')
    await told('sla.started', first, 'next_reply')
  })

  await t.test('an edited promise holds for what comes next; it is broken on time, and escalates', async (t) => {
    const file = join(engine.workplace.dir, 'config', 'rules', 'sla.json')
    const rules = JSON.parse(await readFile(file, 'utf8'))
    rules.$version = 'hurry'
    rules.rules[1].then.targets.first_reply = [{ seconds: 1 }]
    await writeFile(`${file}.new`, JSON.stringify(rules))
    await rename(`${file}.new`, file)
    await eventually('the edited file', async () => {
      const { items } = await agent.get('/v1/admin/rules')
      return items.some((one: any) => one.file === 'sla' && one.version === 'hurry')
    })
    const other = await openChat(engine.url)
    await other.say('quick, please')
    const second: string = await newest([first])
    await told('sla.warned', second)
    await told('sla.breached', second)
    await told('sla.escalated', second)
    const { items } = await agent.get(`/v1/conversations/${second}/clocks`)
    t.match(items, [{ state: 'breached', policyVersion: 'hurry', fired: ['75%', '100%'] }])
    t.equal(items[0].breachedAt, items[0].dueAt, 'dated when it was due, not when it was noticed')
    await answer(second)
    await told('sla.missed', second)

    const { code, stdout } = await throughline(['sla', 'explain', second, '--config', engine.workplace.configFile], {
      cwd: engine.workplace.dir,
      env: { DATABASE_URL: databaseUrl, PORT: String(engine.port) },
    })
    t.equal(code, 0)
    t.match(stdout, /first_reply\s+met_late\s+1 s/)
    t.match(stdout, /sla\.escalated\s+first_reply 1 {2}100%, late/)
  })
})

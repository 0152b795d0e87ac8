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
  const post = async (path: string, body: object, token = agent.token): Promise<{ status: number; body: any }> => {
    const response = await fetch(`${engine.url}/v1/conversations/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    })
    return { status: response.status, body: await response.json() }
  }
  const answer = async (conversation: string): Promise<void> => {
    const { status, body } = await post(`${conversation}/messages`, { body: 'here I am' })
    if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`)
  }
  const accept = async (conversation: string): Promise<void> => {
    const offered = (event: { t: string; d: any }) =>
      event.t === 'offer.created' && event.d.conversation === conversation
    const { d } = await agent.event(`the offer of ${conversation}`, offered)
    await agent.command('offer.accept', { offerId: d.offerId })
  }
  /** Clocks of a conversation in the agent's snapshot. */
  const inSnapshot = async (conversation: string): Promise<any[]> => {
    const { conversations } = await agent.get('/v1/agent/snapshot')
    return conversations.find((one: any) => one.id === conversation).clocks
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
  await accept(first)
  let second = ''
  let broken = ''
  const reason = 'the office had no power'

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
    const open = await inSnapshot(first)
    t.match(open, [{ metric: 'next_reply', state: 'running', warnedAt: null, breachedAt: null, waiver: null }])
    t.equal(open.length, 1, 'what was met is not in the snapshot')
    t.match(await post(`${first}/clocks/${open[0].id}/waiver`, { reason }), {
      status: 409,
      body: { code: 'TL_SLA_NOT_BREACHED', state: 'running' },
    })
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
    second = await newest([first])
    await accept(second)
    await told('sla.warned', second)
    await told('sla.breached', second)
    await told('sla.escalated', second)
    const { items } = await agent.get(`/v1/conversations/${second}/clocks`)
    t.match(items, [{ state: 'breached', policyVersion: 'hurry', fired: ['75%', '100%'] }])
    t.equal(items[0].breachedAt, items[0].dueAt, 'dated when it was due, not when it was noticed')
    const { id, metric, dueAt, warnedAt, breachedAt } = items[0]
    t.strictSame(await inSnapshot(second), [
      { id, metric, state: 'breached', dueAt, warnedAt, breachedAt, waiver: null },
    ])
    t.ok(Date.parse(warnedAt) < Date.parse(dueAt))
    broken = id
  })

  await t.test('a supervisor waives the breach, and whoever looks at the clock sees it', async (t) => {
    const { agent: ada } = await agent.get('/v1/agent/snapshot')
    const made = await throughline(
      ['token', 'create', '--name', 'crm', '--agent', ada.id, '--json', '--config', engine.workplace.configFile],
      { cwd: engine.workplace.dir, env: { DATABASE_URL: databaseUrl, PORT: String(engine.port) } },
    )
    const integrator = (JSON.parse(made.stdout) as { token: string }).token
    const path = `${second}/clocks/${broken}/waiver`
    const refusals: readonly [
      name: string,
      path: string,
      body: object,
      status: number,
      code: string,
      token?: string,
    ][] = [
      ['without the right', path, { reason }, 403, 'TL_AUTH_FORBIDDEN', integrator],
      ['no reason', path, {}, 400, 'TL_REQUEST_INVALID'],
      ['an empty reason', path, { reason: '' }, 400, 'TL_REQUEST_INVALID'],
      ['nothing but blanks', path, { reason: '  ' }, 422, 'TL_COMMAND_INVALID'],
      ['too long a reason', path, { reason: 'x'.repeat(501) }, 400, 'TL_REQUEST_INVALID'],
      ['an unknown clock', `${second}/clocks/${second}/waiver`, { reason }, 404, 'TL_COMMAND_NOT_FOUND'],
      ['a clock of another one', `${first}/clocks/${broken}/waiver`, { reason }, 404, 'TL_COMMAND_NOT_FOUND'],
    ]
    for (const [name, where, body, status, code, token] of refusals)
      t.match(await post(where, body, token), { status, body: { code } }, name)
    await t.rejects(agent.command('sla.waive', { clock: broken }), { code: 'TL_COMMAND_INVALID' })

    const { waiver } = await agent.command('sla.waive', { clock: broken, reason })
    t.match(waiver, { clock: broken, conversation: second, reason, by: ada.id })
    t.match(await told('sla.waived', second), { d: { clock: broken, reason, actor: { kind: 'agent', id: ada.id } } })
    t.strictSame(await post(path, { reason }), { status: 200, body: { waiver } }, 'the same again')
    t.match(await post(path, { reason: 'holiday' }), { status: 409, body: { code: 'TL_SLA_ALREADY_WAIVED' } })

    const shown = { reason, by: ada.id, at: waiver.at }
    const { items } = await agent.get(`/v1/conversations/${second}/clocks`)
    t.match(items, [{ id: broken, state: 'breached' }], 'the clock stays what it is')
    t.strictSame(items[0].waiver, shown)
    t.strictSame((await inSnapshot(second))[0].waiver, shown)
  })

  await t.test('what was late stays late and waived when it is answered, and is explained', async (t) => {
    await answer(second)
    await told('sla.missed', second)

    const { code, stdout } = await throughline(['sla', 'explain', second, '--config', engine.workplace.configFile], {
      cwd: engine.workplace.dir,
      env: { DATABASE_URL: databaseUrl, PORT: String(engine.port) },
    })
    t.equal(code, 0)
    t.match(stdout, /first_reply\s+met_late, waived\s+1 s/)
    t.match(stdout, /waived\s+first_reply 1 {2}by \S+: the office had no power/)
    t.match(stdout, /sla\.escalated\s+first_reply 1 {2}100%, late/)
    t.notMatch(engine.output(), /no power/, 'no reason in the log')
    t.same(await inSnapshot(second), [])
  })
})

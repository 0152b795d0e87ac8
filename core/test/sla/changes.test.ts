import { test } from 'tap'
import { at, slaFile, slaWorld } from './world.js'

const byPriority = slaFile({ targets: { first_reply: [{ priority: ['urgent'], minutes: 15 }, { hours: 1 }] } }, [
  { id: 'spam', when: { has_any: [{ var: 'conversation.tags' }, ['spam']] }, then: { targets: {} } },
])

test('a higher priority gives what runs its shorter target, with what is used', async (t) => {
  const world = await slaWorld(t, { sla: byPriority })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.change('10:05', { priority: 'urgent' })
  t.match(await talk.clock('first_reply'), { targetS: 900, usedS: 300, dueAt: at('10:15') })
  t.equal(talk.events('sla.changed').length, 1)
})

test('a target that is used up already is breached at the change, and nothing escalates for it', async (t) => {
  const world = await slaWorld(t, { sla: byPriority, escalation: escalate('100%', { do: 'notify', to: ['lead'] }) })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.change('10:20', { priority: 'urgent' })
  t.match(await talk.clock('first_reply'), { state: 'breached', breachedAt: at('10:20'), dueAt: at('10:15') })
  await world.pass('12:00')
  t.same([talk.events('sla.breached').length, talk.events('sla.escalated').length], [1, 0])
})

test('what turns out to be spam is promised nothing any more', async (t) => {
  const world = await slaWorld(t, { sla: byPriority })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.change('10:05', { tags: ['spam'] })
  t.match(await talk.clock('first_reply'), { state: 'cancelled', reason: 'no_policy' })
  await talk.says('10:06')
  t.equal((await talk.clocks()).length, 1)
})

test('a promise that comes with a change counts from the change', async (t) => {
  const world = await slaWorld(t, { sla: byPriority })
  const talk = await world.conversation()
  await talk.change('09:00', { tags: ['spam'] })
  await talk.says('10:00')
  await talk.change('11:00', { tags: [] })
  t.match(await talk.clock('first_reply'), { startedAt: at('11:00'), dueAt: at('12:00') })
})

test('a tier that changes reaches the clocks of the customer', async (t) => {
  const sla = slaFile({ targets: { first_reply: [{ tier: ['vip'], minutes: 10 }, { hours: 1 }] } })
  const world = await slaWorld(t, { sla })
  const talk = await world.conversation()
  await talk.says('10:00')
  await world.store.pool.query("update contact set tier = 'vip'")
  await world.happen('10:05', [
    {
      type: 'contact.updated',
      contact: world.contact,
      actor: { kind: 'system', id: null },
      data: { changed: ['tier'] },
    },
  ])
  t.match(await talk.clock('first_reply'), { targetS: 600, dueAt: at('10:10') })
})

test('two channels: each has its own clock, and one answer fulfils both with their own times', async (t) => {
  const sla = slaFile({
    targets: { first_reply: [{ minutes: 15 }], next_reply: [{ channel: ['email'], hours: 4 }, { minutes: 30 }] },
  })
  const world = await slaWorld(t, { sla })
  const talk = await world.conversation('webchat')
  await talk.says('10:00')
  await talk.says('10:05', { channel: 'email' })
  t.match(await talk.clock('next_reply'), { targetS: 4 * 3600, dueAt: at('14:05') })
  await talk.answers('10:10', 'email')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 600 })
  t.match(await talk.clock('next_reply'), { state: 'met', usedS: 300 })
})

test('with cross_channel_fulfil off an answer counts only where it was given', async (t) => {
  const targets = { first_reply: [{ minutes: 15 }], next_reply: [{ minutes: 30 }] }
  const world = await slaWorld(t, { sla: slaFile({ targets, cross_channel_fulfil: false }) })
  const talk = await world.conversation('webchat')
  await talk.says('10:00')
  await talk.says('10:05', { channel: 'email' })
  await talk.answers('10:10', 'email')
  t.match(await talk.clock('first_reply'), { state: 'running' })
  t.match(await talk.clock('next_reply'), { state: 'met' })
})

test('an answer that fails afterwards fulfilled nothing', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  const answer = await talk.answers('10:05')
  t.match(await talk.clock('first_reply'), { state: 'met' })
  await talk.fails('10:07', answer)
  t.match(await talk.clock('first_reply'), { state: 'running', dueAt: at('10:15') })
  await talk.answers('10:12')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 720 })
})

test('what is delivered and read later is no second answer', async (t) => {
  const world = await slaWorld(t, {
    sla: slaFile({ targets: { next_reply: [{ hours: 1 }], periodic_update: [{ days: 1 }] } }),
  })
  const talk = await world.conversation()
  await talk.says('10:00')
  const answer = await talk.answers('10:05')
  await talk.says('10:10')
  for (const type of ['message.delivered', 'message.read'] as const) {
    const actor = { kind: 'plugin', id: 'x' } as const
    await world.happen('10:11', [{ type, conversation: talk.id, actor, data: { messageId: answer } }])
  }
  t.match(await talk.clock('next_reply'), { state: 'running', startedAt: at('10:10') })
  t.equal((await talk.clocks()).filter((clock) => clock.metric === 'periodic_update').length, 1)
})

test('a bot’s answer counts where the policy says so', async (t) => {
  const world = await slaWorld(t, {
    sla: slaFile({ targets: { first_reply: [{ hours: 1 }] }, fulfil_by: ['human', 'ai_agent'] }),
  })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.botAnswers('10:01')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 60 })
})

test('a conversation that an agent began has no first reply', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.answers('09:00')
  await talk.says('10:00')
  t.same((await talk.clocks()).map((clock) => clock.metric).sort(), ['next_reply', 'total_resolution'])
})

test('updates are promised from answer to answer, until the end', async (t) => {
  const world = await slaWorld(t, { sla: slaFile({ targets: { periodic_update: [{ hours: 2 }] } }) })
  const talk = await world.conversation()
  await talk.says('10:00')
  t.same(await talk.clocks(), [])
  await talk.answers('10:10')
  await talk.answers('11:10')
  t.match(await talk.clock('periodic_update'), { state: 'met', usedS: 3600 })
  t.match(await talk.clock('periodic_update', 2), { state: 'running', dueAt: at('13:10') })
  await talk.status('12:00', 'resolved')
  t.match(await talk.clock('periodic_update', 2), { state: 'cancelled', reason: 'resolved' })
})

test('a snooze does not stop what a customer waits for; it ends with the customer’s message', async (t) => {
  const world = await slaWorld(t, {
    sla: slaFile({ targets: { agent_work: [{ hours: 4 }], next_reply: [{ hours: 1 }] } }),
  })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.answers('10:30')
  await talk.status('11:00', 'snoozed')
  t.match(await talk.clock('agent_work'), { state: 'paused', usedS: 3600 })
  await talk.status('13:00', 'open', 'snoozed')
  await talk.says('13:00')
  t.match(await talk.clock('agent_work'), { state: 'running', dueAt: at('16:00') })
  t.match(await talk.clock('next_reply'), { startedAt: at('13:00') })
})

test('the same events read again change nothing', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  const before = [await talk.clocks(), world.log.length]
  await world.settle()
  t.same([await talk.clocks(), world.log.length], before)
  t.same(world.warnings, [])
})

function escalate(level: string, ...actions: readonly object[]): string {
  const rules = [{ id: 'rule', when: { '==': [{ var: 'level' }, level] }, then: { actions } }]
  return JSON.stringify({ $version: '7', rules, tests: [{ facts: { level }, expect: 'rule' }] })
}

test('levels warn and escalate once each: head start, priority, queue, and word to people and systems', async (t) => {
  const sla = slaFile({ targets: { first_reply: [{ minutes: 60 }] }, levels: ['50%', '+15m'] })
  const world = await slaWorld(t, {
    sla,
    escalation: escalate(
      '50%',
      { do: 'head_start', seconds: 300 },
      { do: 'raise_priority', to: 'high' },
      { do: 'reassign', queue: 'lead' },
      { do: 'webhook', name: 'pager' },
    ),
  })
  const talk = await world.conversation()
  await world.store.pool.query(
    `insert into work_item (id, conversation_id, channel, channel_kind, queue, state, priority, rank_at,
       first_enqueued_at, units, plan, plan_version)
     values (gen_random_uuid(), $1, 'x', 'webchat', 'support', 'queued', 'normal', $2, $2, 25, '{}', '1')`,
    [talk.id, at('10:00')],
  )
  await talk.says('10:00')
  await world.pass('10:31')
  await world.pass('10:31')
  t.match(talk.events('sla.warned'), [{ data: { level: '50%', metric: 'first_reply' } }])
  t.match(talk.events('sla.escalated'), [
    { data: { level: '50%', rule: 'rule', version: '7', actions: { length: 4 } } },
  ])
  t.same(world.reassigned, [{ conversation: talk.id, queue: 'lead' }], 'once')
  const { rows } = await world.store.pool.query(
    'select i.priority, i.rank_at, i.head_start_s, c.priority as conversation from work_item i join conversation c on c.id = i.conversation_id',
  )
  // 5 min by the rule, 15 min by the priority.
  t.same(rows, [{ priority: 'high', rank_at: at('09:40'), head_start_s: 1200, conversation: 'high' }])
  await world.pass('12:00')
  t.equal(talk.events('sla.breached').length, 1)
  t.same((await talk.clock('first_reply')).fired, ['50%', '100%', '+15m'])
})

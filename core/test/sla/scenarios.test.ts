import { test } from 'tap'
import { at, office, slaFile, slaWorld } from './world.js'

test('S01: auto-replies and notes fulfil nothing; an answer at the very moment it is due is in time', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.autoReplies('10:00:05')
  await talk.notes('10:05')
  t.match(await talk.clock('first_reply'), { state: 'running', dueAt: at('10:15') })
  await talk.answers('10:15:00')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 900, endedAt: at('10:15'), breachedAt: null })
  t.equal(talk.events('sla.met').length, 1)
})

test('S02: a second later it is late, breached when it was due, and the time taken counts', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await world.pass('10:15:00.500')
  t.match(await talk.clock('first_reply'), { state: 'breached', breachedAt: at('10:15'), endedAt: null })
  await talk.answers('10:15:01')
  t.match(await talk.clock('first_reply'), { state: 'met_late', usedS: 901, breachedAt: at('10:15') })
  t.equal(talk.events('sla.breached').length, 1)
  t.equal(talk.events('sla.missed').length, 1)
})

test('S03: the oldest message without an answer counts; asking again moves nothing', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.answers('10:05')
  await talk.says('11:00')
  await talk.says('11:20')
  t.match(await talk.clock('next_reply'), { state: 'running', startedAt: at('11:00'), dueAt: at('11:30') })
  await world.pass('11:30:30')
  await talk.answers('11:31')
  t.match(await talk.clock('next_reply'), { state: 'met_late', usedS: 31 * 60, breachedAt: at('11:30') })
  t.equal((await talk.clocks()).filter((clock) => clock.metric === 'next_reply').length, 1)
})

test('S04: the clock of people starts when a bot hands over, not when the bot was asked', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00', { bot: true })
  await talk.botAnswers('10:00:10')
  await talk.says('15:00')
  t.same(await talk.clocks(), [], 'nobody is promised anything while a bot has the turn')
  await talk.queued('15:01')
  await talk.answers('15:06')
  t.match(await talk.clock('first_reply'), { state: 'met', startedAt: at('15:01'), usedS: 300 })
})

test('S06: a status that the policy lists stops the resolution clock', async (t) => {
  const targets = { total_resolution: [{ hours: 4 }] }
  const world = await slaWorld(t, { sla: slaFile({ targets, pause: { total_resolution: ['pending'] } }) })
  const talk = await world.conversation()
  await talk.says('10:00')
  t.match(await talk.clock('total_resolution'), { dueAt: at('14:00') })
  await talk.answers('10:30')
  await talk.status('11:00', 'pending')
  t.match(await talk.clock('total_resolution'), { state: 'paused', dueAt: null, usedS: 3600 })
  await talk.status('13:00', 'open', 'pending')
  t.match(await talk.clock('total_resolution'), { state: 'running', dueAt: at('16:00') })
})

test('S07: pending without an answer stops no clock; the answer then does', async (t) => {
  const targets = { requester_wait: [{ hours: 4 }], first_reply: [{ hours: 4 }] }
  const world = await slaWorld(t, { sla: slaFile({ targets }) })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.status('10:30', 'pending')
  t.match(await talk.clock('requester_wait'), { state: 'running', dueAt: at('14:00') })
  t.match(await talk.clock('first_reply'), { state: 'running', dueAt: at('14:00') })
  await talk.answers('11:00')
  t.match(await talk.clock('requester_wait'), { state: 'paused', usedS: 3600 })
})

test('S08: what is taken up again counts on with what was used', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.answers('10:05')
  await talk.status('12:00', 'resolved')
  t.match(await talk.clock('total_resolution'), { state: 'met', usedS: 7200 })
  await talk.status('+1 09:00', 'open', 'resolved')
  t.match(await talk.clock('total_resolution'), { state: 'running', dueAt: at('+1 11:00'), endedAt: null })
})

test('S09: resolved without an answer is neither met nor breached, and counted apart', async (t) => {
  const world = await slaWorld(t, { sla: slaFile({ targets: { first_reply: [{ hours: 4 }] } }) })
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.status('12:00', 'resolved')
  t.match(await talk.clock('first_reply'), { state: 'cancelled', reason: 'closed_without_reply', breachedAt: null })
  t.same([talk.events('sla.met').length, talk.events('sla.breached').length], [0, 0])
})

const byPriority = slaFile({
  targets: {
    first_reply: [{ priority: ['urgent'], minutes: 15 }, { priority: ['low'], hours: 8 }, { hours: 1 }],
  },
})

test('S11: a breach stays when the priority is lowered', async (t) => {
  const world = await slaWorld(t, { sla: byPriority })
  const talk = await world.conversation()
  await talk.change('09:59', { priority: 'urgent' })
  await talk.says('10:00')
  await world.pass('10:16')
  await talk.change('10:20', { priority: 'low' })
  t.match(await talk.clock('first_reply'), { state: 'breached', targetS: 900, breachedAt: at('10:15') })
})

test('S12: an answer in time that is known late makes no alert', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await talk.answers('10:14:55')
  await world.pass('10:15:40')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 895 })
  t.equal(talk.events('sla.breached').length, 0)
})

test('S12: an answer in time overtakes a breach that was written before it was known', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await world.pass('10:15:40')
  t.match(await talk.clock('first_reply'), { state: 'breached' })
  await talk.answers('10:14:55')
  t.match(await talk.clock('first_reply'), { state: 'met', usedS: 895, breachedAt: null })
})

test('S13: without any job the sweep finds the breach, dated when it was due', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  // No job exists to be lost: the levels are rows, and whoever looks next finds them by database time.
  const { rows } = await world.store.pool.query(
    'select count(*)::int as n from sla_clock where next_at < clock_timestamp()',
  )
  t.ok((rows[0] as { n: number }).n > 0)
  await world.sla.catchUp()
  t.match(await talk.clock('first_reply'), { state: 'breached', breachedAt: at('10:15') })
})

test('S15: of two joined conversations the earliest clock stays', async (t) => {
  const world = await slaWorld(t, { sla: slaFile({ targets: { first_reply: [{ hours: 1 }] } }) })
  const [later, earlier] = [await world.conversation(), await world.conversation()]
  await earlier.says('10:30')
  await later.says('11:00')
  await later.joins('11:10', earlier.id)
  const open = (await later.clocks()).filter((clock) => clock.endedAt === null)
  t.match(open, [{ metric: 'first_reply', dueAt: at('11:30'), state: 'running' }])
  const ended = [...(await later.clocks()), ...(await earlier.clocks())].filter((clock) => clock.endedAt !== null)
  t.match(ended, [{ state: 'cancelled', reason: 'joined' }])
  await later.answers('11:20')
  t.match(
    (await later.clocks()).filter((clock) => clock.state === 'met'),
    [{ usedS: 3000 }],
  )
})

test('S16: a calendar edited in between counts only what comes', async (t) => {
  const targets = { first_reply: [{ hours: 4, calendar: 'office' }] }
  const sla = slaFile({ targets })
  const world = await slaWorld(t, { sla })
  const talk = await world.conversation()
  await talk.says('10:00')
  t.match(await talk.clock('first_reply'), { dueAt: at('14:00') })
  await talk.notes('13:00') // the world's clock stands at 13:00 when the new calendar comes
  const edited = { ...office, weekly: { mon: ['09:00-13:00'], tue: ['10:00-17:00'] } }
  const next = await slaWorld(t, { sla, store: world.store, calendars: [edited] })
  await next.happen('13:00', [])
  await next.sla.start()
  t.match(await talk.clock('first_reply'), { usedS: 3 * 3600, targetS: 4 * 3600, dueAt: at('+1 11:00') })
  await next.sla.stop()
})

test('S18: an automatic mail starts no clock', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation('email')
  await talk.says('10:00', { automatic: true })
  t.same(await talk.clocks(), [])
})

test('S19: a late webhook counts from when it was taken, and the answer before it does not answer it', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('09:40')
  await talk.answers('09:45')
  await talk.answers('10:05')
  await talk.says('10:10', { written: '09:50' })
  t.match(await talk.clock('next_reply'), { state: 'running', startedAt: at('10:10'), dueAt: at('10:40') })
})

test('R07: what is promised soon ranks before what came earlier', async (t) => {
  const world = await slaWorld(t, {
    sla: slaFile({ targets: { first_reply: [{ channel: ['webchat'], minutes: 7 }] } }),
  })
  const [b, c] = [await world.conversation('webchat'), await world.conversation('messenger')]
  const { pool } = world.store
  for (const [talk, came] of [
    [b, '10:05'],
    [c, '10:03'],
  ] as const) {
    await pool.query(
      `insert into work_item (id, conversation_id, channel, channel_kind, queue, state, priority, rank_at,
         first_enqueued_at, units, plan, plan_version)
       values (gen_random_uuid(), $1, 'x', 'webchat', 'support', 'queued', 'normal', $2, $2, 25, '{}', '1')`,
      [talk.id, at(came)],
    )
  }
  await c.says('10:03')
  await b.says('10:05')
  const { rows } = await pool.query('select conversation_id, rank_at, sla_due_at from work_item order by rank_at')
  t.same(rows, [
    { conversation_id: b.id, rank_at: at('10:02'), sla_due_at: at('10:12') },
    { conversation_id: c.id, rank_at: at('10:03'), sla_due_at: null },
  ])
})

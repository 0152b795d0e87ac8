import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { createSlaReader } from '../../src/sla/sla-reader.js'
import { at, scenarioTargets, slaFile, slaWorld, type Talk } from './world.js'

const by = (id: string) => ({ actor: { kind: 'agent', id }, cause: 'c1' }) as const
const ada = by('ada')
const reason = 'the office had no power'

/** A first reply, due at 10:15, that nobody has given by 10:20. */
async function late(t: Parameters<typeof slaWorld>[0]) {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  await world.pass('10:20')
  const { id } = await talk.clock('first_reply')
  const rowOf = async (): Promise<unknown> => {
    const { rows } = await world.store.pool.query('select * from sla_clock where id = $1', [id])
    return rows[0]
  }
  const count = async (): Promise<number> => {
    const { rows } = await world.store.pool.query('select count(*)::int as n from sla_waiver')
    return (rows[0] as { n: number }).n
  }
  return { world, talk, id, rowOf, count }
}

test('a breach is waived with a reason: the clock stays as it is, and the log tells who did it', async (t) => {
  const { world, talk, id, rowOf } = await late(t)
  const before = await rowOf()
  const waiver = await world.sla.waive(id, { reason }, ada)
  t.match(waiver, { clock: id, conversation: talk.id, reason, by: 'ada', at: Date })
  t.same(await rowOf(), before)
  t.match(await talk.clock('first_reply'), { state: 'breached', waiver: { reason, by: 'ada', at: waiver.at } })
  await world.settle()
  t.match(talk.events('sla.waived'), [
    {
      actor: { kind: 'agent', id: 'ada' },
      cause: 'c1',
      data: {
        clock: id,
        metric: 'first_reply',
        cycle: 1,
        state: 'breached',
        breachedAt: at('10:15').getTime(),
        reason,
      },
    },
  ])
  t.match(await world.sla.explain(talk.id), { clocks: [{ waiver: { reason, by: 'ada' } }, { waiver: null }] })
})

test('the same again is answered with the waiver there is, whoever asks; another reason is refused', async (t) => {
  const { world, talk, id, count } = await late(t)
  const first = await world.sla.waive(id, { reason }, ada)
  const handed: unknown[] = []
  const within = async (_: unknown, result: unknown): Promise<void> => void handed.push(result)
  t.same(await world.sla.waive(id, { reason: ` ${reason}\n`, conversation: talk.id }, { ...by('bob'), within }), first)
  t.same(handed, [{ waiver: first }], 'the caller may store it with the transaction')
  await t.rejects(world.sla.waive(id, { reason: 'holiday' }, ada), {
    code: 'TL_SLA_ALREADY_WAIVED',
    message: /^ada waived this clock at 20\S+ for another reason/,
  })
  await world.settle()
  t.same([await count(), talk.events('sla.waived').length], [1, 1])
})

test('two supervisors at the same moment: one waiver, and the other one hears of it', async (t) => {
  const { world, talk, id, count } = await late(t)
  const tries = await Promise.allSettled(
    ['ada', 'bob', 'cleo', 'dan'].map((agent) =>
      world.sla.waive(id, { reason: agent === 'dan' ? 'holiday' : reason }, by(agent)),
    ),
  )
  const kept = new Set(tries.flatMap((one) => (one.status === 'fulfilled' ? [JSON.stringify(one.value)] : [])))
  t.equal(kept.size, 1)
  for (const one of tries) if (one.status === 'rejected') t.match(one.reason, { code: 'TL_SLA_ALREADY_WAIVED' })
  await world.settle()
  t.same([await count(), talk.events('sla.waived').length], [1, 1])
})

test('only what is late can be waived', async (t) => {
  const world = await slaWorld(t)
  const talk = await world.conversation()
  await talk.says('10:00')
  const refused = async (metric: 'first_reply' | 'next_reply', state: string): Promise<void> => {
    const clock = await talk.clock(metric)
    t.equal(clock.state, state)
    await t.rejects(world.sla.waive(clock.id, { reason }, ada), { code: 'TL_SLA_NOT_BREACHED', details: { state } })
  }
  await refused('first_reply', 'running')
  await talk.answers('10:05')
  await refused('first_reply', 'met')
  await talk.says('10:10')
  await talk.status('10:11', 'resolved')
  await refused('next_reply', 'cancelled')
  await world.settle()
  t.same(talk.events('sla.waived'), [])
})

test('a clock that nobody knows, or that is of another conversation, is not found', async (t) => {
  const { world, id, count } = await late(t)
  for (const unknown of [randomUUID(), 'first_reply', "' or 1=1 --"])
    await t.rejects(world.sla.waive(unknown, { reason }, ada), { code: 'TL_COMMAND_NOT_FOUND' }, unknown)
  const other = await world.conversation()
  await t.rejects(world.sla.waive(id, { reason, conversation: other.id }, ada), { code: 'TL_COMMAND_NOT_FOUND' })
  t.equal(await count(), 0)
})

test('a reason says something, in one line of 500 characters at most', async (t) => {
  const { world, id } = await late(t)
  for (const [wrong, why] of [
    ['', /must say why/],
    [' \n\t\0', /must say why/],
    ['x'.repeat(501), /501 characters; 500 is the most/],
  ] as const) {
    const error = { code: 'TL_COMMAND_INVALID', message: why, details: { path: '/reason' } }
    await t.rejects(world.sla.waive(id, { reason: wrong }, ada), error)
  }
  const smiles = '🙂'.repeat(480)
  const { reason: kept } = await world.sla.waive(id, { reason: `\u001b[31m${smiles}\0\r\nno power` }, ada)
  t.equal(kept, `[31m${smiles} no power`, 'counted in characters, and without what disturbs a terminal')
})

test('what fails in the transaction of the waiver leaves none', async (t) => {
  const { world, talk, id, count } = await late(t)
  const within = () => Promise.reject(new Error('no result could be stored'))
  await t.rejects(world.sla.waive(id, { reason }, { ...ada, within }), { message: /no result/ })
  await world.settle()
  t.same([await count(), talk.events('sla.waived').length], [0, 0])
})

test('a waived clock goes on: answered late it is met_late, joined it goes along, and stays waived', async (t) => {
  const { world, talk, id } = await late(t)
  await world.sla.waive(id, { reason }, ada)
  const into = await world.conversation()
  await into.says('10:30')
  await into.joins('10:31', talk.id)
  t.match(
    (await into.clocks()).find((clock) => clock.id === id),
    { state: 'breached', endedAt: null, waiver: { reason } },
  )
  await into.answers('10:40')
  t.match(
    (await into.clocks()).find((clock) => clock.id === id),
    { state: 'met_late', waiver: { reason, by: 'ada' } },
  )
})

test('an answer that was given in time and heard of late makes the clock met; the waiver stays beside it', async (t) => {
  const { world, talk, id } = await late(t)
  const waiver = await world.sla.waive(id, { reason }, ada)
  await talk.answers('10:10')
  t.match(await talk.clock('first_reply'), { state: 'met', breachedAt: null, waiver: { reason } })
  t.same(await world.sla.waive(id, { reason }, ada), waiver)
})

test('for a snapshot: clocks that have not ended, of many conversations, with one statement', async (t) => {
  const sla = slaFile({ targets: scenarioTargets, pause: { total_resolution: ['pending'] } })
  const world = await slaWorld(t, { sla })
  const [waits, rests, met, quiet] = (await Promise.all(Array.from({ length: 4 }, () => world.conversation()))) as [
    Talk,
    Talk,
    Talk,
    Talk,
  ]
  await waits.says('10:00')
  await rests.says('10:01')
  await rests.answers('10:02')
  await rests.status('10:03', 'pending')
  await met.says('10:04')
  await met.answers('10:05')
  await met.status('10:06', 'resolved')
  await world.pass('10:12')
  t.match(await waits.clock('first_reply'), { state: 'running', warnedAt: at('10:11:15') })
  await world.pass('10:20')
  const { id } = await waits.clock('first_reply')
  const { at: waivedAt } = await world.sla.waive(id, { reason }, ada)

  let statements = 0
  const counting = world.store.db.withPlugin({
    transformQuery({ node }) {
      statements += 1
      return node
    },
    transformResult: async ({ result }) => result,
  })
  const ids = [waits.id, rests.id, met.id, quiet.id, randomUUID(), 'no id']
  const found = await createSlaReader(counting).openClocks(ids)
  t.equal(statements, 1)
  t.same([...found.keys()].sort(), [waits.id, rests.id].sort())
  t.same(found.get(waits.id), [
    {
      id,
      metric: 'first_reply',
      state: 'breached',
      dueAt: at('10:15'),
      warnedAt: at('10:11:15'),
      breachedAt: at('10:15'),
      waiver: { reason, by: 'ada', at: waivedAt },
    },
    {
      id: (await waits.clock('total_resolution')).id,
      metric: 'total_resolution',
      state: 'running',
      dueAt: at('14:00'),
      warnedAt: null,
      breachedAt: null,
      waiver: null,
    },
  ])
  t.match(found.get(rests.id), [{ metric: 'total_resolution', state: 'paused', dueAt: null }])
  t.same(await world.sla.openClocks([]), new Map())
})

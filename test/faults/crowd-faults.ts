import { signIn } from '@throughline/plugin-sdk/agent-client'
import { throughline } from '../src/support/cli.js'
import { eventually, pause } from '../src/support/eventually.js'
import { query, urlOf } from './database.js'
import { openDesk, type Desk } from './desk.js'
import type { Fault } from './fault.js'
import { during, inWorld } from './nodes.js'
import type { World } from './world.js'

const RACES = 400
const SOCKETS = 300
const LATE_MS = 3 * 24 * 3_600_000

const office = (id: string, role: string) => ({
  name: id,
  email: `${id}@localhost.example`,
  role,
  teams: ['support'],
  capacity: 10_000,
})

/** Everybody has an account, as in an office behind one address. */
const names = Array.from({ length: SOCKETS }, (_, n) => `crew-${n}`)
const crew = {
  agents: Object.fromEntries([
    ['ada', office('ada', 'admin')],
    ...names.map((id) => [id, office(id, 'agent')]),
  ]) as object,
}
const tokenOf = (name: string): string => `tls_${name}-of-the-fault-suite`

/** F16 to F18, F28: many at once, and late ones. */
export const crowdFaults: readonly Fault[] = [
  {
    id: 'F16',
    what: 'two agents on two nodes accept one offer',
    how: `${RACES} conversations are offered to two agents at once, each on a node of its own, and both accept at once (1,000 races of each pair of acts: core/test/routing)`,
    short: false,
    run: (server) =>
      inWorld(
        server,
        {
          id: 'F16',
          nodes: 2,
          lanes: 2,
          answerEvery: 0,
          sections: {
            queues: { support: { teams: ['support'], offer: 'broadcast' } },
            agents: { ada: office('ada', 'admin'), ben: office('ben', 'agent') },
          },
        },
        async (world, recoveries, broken) => {
          const [one, two] = world.nodes
          if (!one || !two) return 0
          const code = await throughline(['agent', 'code', 'ben', '--config', one.workplace.configFile], {
            env: { DATABASE_URL: urlOf(server, world.database), PORT: '1' },
          })
          const { token } = await signIn(two.url, { code: code.stdout.trim() })
          const ben = await openDesk(world.scope, { url: two.url, token, answerEvery: 0 })
          const ada = await openDesk(world.scope, { url: one.url, token: await world.token(), answerEvery: 0 })
          for (let n = 0; n < RACES; n += 10)
            await Promise.all(Array.from({ length: 10 }, (_, i) => world.traffic.one(`race-${n + i}`)))
          await eventually(
            'an owner for every conversation',
            async () =>
              (await query(world.databaseUrl, `select 1 from work_item where state <> 'assigned' limit 1`)).length ===
              0,
            { patienceMs: 120_000 },
          ).catch(() => broken.push('a conversation has no owner'))
          recoveries.push(await world.probe())
          const odd = await query<{ what: string }>(
            world.databaseUrl,
            `select 'two acceptances of one item' as what from offer where state = 'accepted' group by item_id, epoch having count(*) > 1
             union all select 'two assignments of one item' from event_log where type = 'work.assigned'
               group by conversation_id having count(*) > 1`,
          )
          broken.push(...odd.map(({ what }) => what))
          const both = [ada, ben].map(({ offers }) => new Set(offers.keys()))
          if (both.some((set) => set.size < RACES / 2))
            broken.push(`too few offers: ${both.map((set) => set.size).join(', ')}`)
          const lost = [...ada.offers.values(), ...ben.offers.values()].filter((code) =>
            code.startsWith('TL_OFFER'),
          ).length
          if (lost === 0) broken.push('nobody ever came second: there was no race')
          return lost
        },
      ),
  },
  {
    id: 'F17',
    what: 'a node dies that holds many agents’ sockets',
    how: `two nodes, ${SOCKETS} agents’ sockets from one address over both; one node is killed and stays away for 10 s; every socket shows everything once. Recovery is that of each socket`,
    short: false,
    run: (server) =>
      inWorld(
        server,
        { id: 'F17', nodes: 2, lanes: 3, paceMs: 600, answerEvery: 0, sections: crew },
        async (world, recoveries, broken) => {
          const crowd = await openCrowd(world)
          await pause(2_000)
          recoveries.push(...(await backAgain(crowd, () => world.kill9(1), broken)))
          await pause(10_000)
          await world.start(1)
          await world.probe()
          await caughtUp(world, crowd, broken)
          return 1
        },
      ),
  },
  {
    id: 'F18',
    what: 'a network sends twice, in disorder, and three days late',
    how: 'behind a fresh message, ten of three days ago in random order, each twice; one message each, marked as late, in the order of their own time',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F18' }, async (world, recoveries, broken) => {
        const runs = await during(Math.min(seconds, 20), async (n) => {
          const lane = `late-${n}`
          await world.traffic.one(lane)
          const from = Date.now() - LATE_MS
          const times = Array.from({ length: 10 }, (_, i) => from + i * 60_000).sort(() => Math.random() - 0.5)
          const sent: [string, number][] = []
          for (const at of times) {
            sent.push([await world.traffic.one(lane, { at: new Date(at).toISOString() }), at])
            const [id, when] = sent[Math.floor(Math.random() * sent.length)] ?? ['', 0]
            await world.traffic.again(lane, id, { at: new Date(when).toISOString() })
          }
          recoveries.push(await world.probe())
          await eventually('the late ones', () => sent.every(([id]) => world.desk.seen.includes(id)))
          const [row] = await query<{ conversation: string; late: number }>(
            world.databaseUrl,
            `select min(conversation_id::text) as conversation, count(*) filter (where late)::int as late
             from message where external_id = any($1)`,
            [sent.map(([id]) => id)],
          )
          if (row?.late !== sent.length) broken.push(`${row?.late} of ${sent.length} messages are marked as late`)
          const response = await fetch(`${world.url}/v1/conversations/${row?.conversation}/messages?limit=100`, {
            headers: { authorization: `Bearer ${await world.token()}` },
          })
          const shown = JSON.stringify(await response.json())
          const places = [...sent].sort(([, a], [, b]) => a - b).map(([id]) => shown.indexOf(`"${id}"`))
          if (places.some((place, i) => place < 0 || place < (places[i - 1] ?? 0)))
            broken.push(`the timeline is not in the order of their own time: ${places.join()} of ${response.status}`)
        })
        return runs
      }),
  },
  {
    id: 'F28',
    what: 'everybody reconnects at once',
    how: `one node, ${SOCKETS} agents’ sockets from one address, all cut in the same moment under load, three times; every socket shows everything once. Recovery is that of each socket`,
    short: false,
    run: (server) =>
      inWorld(
        server,
        { id: 'F28', lanes: 3, paceMs: 600, answerEvery: 0, sections: crew },
        async (world, recoveries, broken) => {
          const crowd = await openCrowd(world)
          for (let n = 0; n < 3; n++) {
            await pause(2_000)
            recoveries.push(...(await backAgain(crowd, () => Promise.resolve(world.front.cut()), broken)))
          }
          await world.probe()
          await caughtUp(world, crowd, broken)
          return 3
        },
      ),
  },
]

/** Ten at a time, with sessions written into the database: sign-ins of one address are limited. */
async function openCrowd(world: World): Promise<readonly Desk[]> {
  await query(
    world.databaseUrl,
    `insert into agent_session (id, agent_id, token_hash, expires_at)
     select gen_random_uuid(), name, sha256(convert_to(token, 'UTF8')), now() + interval '1 hour'
     from unnest($1::text[], $2::text[]) as c (name, token)`,
    [names, names.map(tokenOf)],
  )
  const crowd: Desk[] = []
  for (let n = 0; n < SOCKETS; n += 10) {
    const some = names.slice(n, n + 10)
    crowd.push(...(await Promise.all(some.map((name) => world.watcher({ quiet: true, token: tokenOf(name) })))))
  }
  await eventually('all sockets', () => crowd.every(({ states }) => states.at(-1) === 'live'), { patienceMs: 120_000 })
  return crowd
}

/** Milliseconds from the blow until each socket that lost its connection is live again. */
async function backAgain(
  crowd: readonly Desk[],
  blow: () => Promise<void>,
  broken: string[],
): Promise<readonly number[]> {
  const before = crowd.map(({ states }) => states.length)
  const began = performance.now()
  await blow()
  const times = new Map<number, number>()
  const waiting = (): number => {
    for (const [i, { states }] of crowd.entries())
      if (!times.has(i) && states.length > (before[i] ?? 0) && states.at(-1) === 'live')
        times.set(i, performance.now() - began)
    return crowd.filter(
      ({ states }, i) => states.at(-1) !== 'live' || (states.length > (before[i] ?? 0) && !times.has(i)),
    ).length
  }
  await pause(500)
  await eventually('every socket live again', () => waiting() === 0, { patienceMs: 120_000 }).catch(() =>
    broken.push(`${waiting()} sockets did not come back within 120 s`),
  )
  if (times.size < crowd.length / 4) broken.push(`only ${times.size} sockets were cut`)
  return [...times.values()]
}

async function caughtUp(world: World, crowd: readonly Desk[], broken: string[]): Promise<void> {
  world.traffic.hold(true)
  await pause(1_000)
  const last = world.desk.seen.at(-1) ?? ''
  await eventually('everybody shows the last message', () => crowd.every(({ seen }) => seen.includes(last)), {
    patienceMs: 60_000,
  }).catch(() => broken.push('a socket does not show the last message'))
  world.traffic.hold(false)
}

import { randomUUID } from 'node:crypto'
import { systemClock } from '../../src/clock.js'
import type { Config } from '../../src/config/contract.js'
import { Sequencer } from '../../src/events/sequencer.js'
import { createIds } from '../../src/ids.js'
import type { Jobs } from '../../src/jobs/contract.js'
import { addJobs } from '../../src/jobs/job-store.js'
import { createRouting } from '../../src/routing/routing.js'
import { migrate } from '../../src/store/migrate.js'
import { openStore } from '../../src/store/store.js'
import { queue } from '../routing/harness.js'
import { silentLog } from '../support/cluster.js'

export interface DispatchSize {
  readonly items: number
  readonly agents: number
  readonly skills: number
  /** Items at the very front for which nobody who is there has the skill. */
  readonly unroutable: number
}

/** One queue with its backlog and its agents, all of them full. */
export interface DispatchLoad {
  /** So many agents get room for one more chat; ms until the dispatcher has made and committed the offers, a piece. */
  decide(agents: number): Promise<number>
  /** ms of a pass that looks at everything while everybody is full, as the sweep makes it. */
  lookThrough(): Promise<number>
  stop(): Promise<void>
}

const CHATS = 25

/**
 * The real dispatcher on a real database, with real jobs and events, commit included. Between two measurements the agents
 * are made full again and as many new items queue up as were offered; that is not on the clock.
 */
export async function prepareDispatch(url: string, size: DispatchSize): Promise<DispatchLoad> {
  await migrate({ url }, silentLog)
  const store = await openStore({ url, dataDir: '', log: silentLog, poolSize: 4 })
  const { pool, db } = store
  const jobs = { task: () => undefined, every: () => undefined, add: addJobs } as unknown as Jobs
  const events = new Sequencer({ db, log: silentLog, moved: () => undefined })
  const config = { queues: [queue('support')], defaultQueue: 'support', channels: [], agents: [] } as unknown as Config
  const routing = createRouting({
    db,
    config,
    // Positions are given by other processes as well; here they would share the processor with what is measured.
    events: { append: events.append, poke: () => undefined },
    jobs,
    clock: systemClock,
    ids: createIds(systemClock),
    node: randomUUID(),
    publish: () => undefined,
    instances: () => [],
    log: { warn: (fields) => failures.push(fields) },
  })
  const failures: unknown[] = []
  await seedAgents(pool, size)
  await addItems(pool, size.unroutable, size.skills, 'rare')
  await addItems(pool, size.items, size.skills)
  await pool.query('vacuum analyze')

  const settle = async (): Promise<number> => {
    const from = performance.now()
    routing.work.wake(['support'])
    await routing.settled()
    const ms = performance.now() - from
    if (failures.length > 0) throw new Error(`a pass failed: ${JSON.stringify(failures[0])}`)
    return ms
  }
  return Object.freeze({
    async decide(agents: number) {
      await pool.query(
        `update agent_load set active = active - $2 where agent_id in
           (select agent_id from agent_load where agent_id <> 'absent' order by random() limit $1)`,
        [agents, CHATS],
      )
      const ms = await settle()
      const { rowCount } = await pool.query(`update offer set state = 'completed' where state = 'pending'`)
      if (rowCount !== agents) throw new Error(`${rowCount} offers instead of ${agents}`)
      await pool.query(`update work_item set state = 'done' where state = 'offered'`)
      await pool.query(`update agent_load set active = active + reserved, reserved = 0 where reserved > 0`)
      await addItems(pool, agents, size.skills)
      return ms / agents
    },
    async lookThrough() {
      const from = performance.now()
      await routing.sweep()
      await routing.settled()
      return performance.now() - from
    },
    async stop() {
      await routing.stop()
      await store.close()
    },
  })
}

type Pool = Awaited<ReturnType<typeof openStore>>['pool']

/** Each agent has five of the skills; all are there and full. One who has the rare skill is not there. */
async function seedAgents(pool: Pool, { agents, skills }: DispatchSize): Promise<void> {
  await pool.query(
    `insert into agent (id, name, email, role, skills)
     select 'a' || i, 'a' || i, 'a' || i || '@x.example', 'agent',
       (select jsonb_object_agg('s' || (i * 7 + k * 11) % $2, 1 + (i + k) % 5) from generate_series(0, 4) k)
     from generate_series(1, $1::int) i
     union all select 'absent', 'absent', 'absent@x.example', 'agent', '{"rare": 5}'`,
    [agents, skills],
  )
  await pool.query(
    `insert into agent_load (agent_id, accepting, active, by_channel)
     select id, id <> 'absent', 100, '{"webchat": 4}' from agent`,
  )
  await pool.query(`insert into agent_presence (agent_id, status) select id, 'online' from agent where id <> 'absent'`)
  await pool.query(
    `insert into presence_session (id, agent_id, node_id, lease_until)
     select gen_random_uuid(), agent_id, gen_random_uuid(), now() + interval '1 day' from agent_presence`,
  )
}

/** Chats that ask for one skill at a level that falls after ten minutes, spread over the last hour, told why they wait. */
async function addItems(pool: Pool, count: number, skills: number, rare?: string): Promise<void> {
  await pool.query(
    `insert into work_item (id, conversation_id, channel, channel_kind, queue, state, waiting_reason, priority, rank_at,
       first_enqueued_at, step_from, step, units, plan, plan_version)
     select gen_random_uuid(), gen_random_uuid(), 'web', 'webchat', 'support', 'queued',
       case when $3::text is null then 'waiting_capacity' else 'waiting_skill' end, 'normal', at, at, at, 1, $4,
       json_build_object('steps', json_build_array(
         json_build_object('skills', json_build_object(skill, 4), 'seconds', 600),
         json_build_object('skills', json_build_object(skill, 1)))), '1'
     from (select now() - (case when $3::text is null then 3600 else 7200 end) * interval '1 s' + random() * interval '40 min' as at,
       coalesce($3::text, 's' || floor(random() * $2::int)) as skill from generate_series(1, $1::int)) r`,
    [count, skills, rare ?? null, CHATS],
  )
}

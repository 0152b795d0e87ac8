import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { lapseClaims } from '../../src/inbound/drain-store.js'
import { createJobs } from '../../src/jobs/jobs.js'
import { createNodeStore } from '../../src/jobs/node-store.js'
import { hasEnded, ownProcess } from '../../src/jobs/process-mark.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'

const own = ownProcess()
const skip = own === null ? 'this system does not tell processes apart by /proc' : false

test(
  'this process runs; one with its pid and another beginning has ended; another machine cannot be judged',
  { skip },
  (t) => {
    const [boot, space, pid] = (own ?? '').split('/')
    t.equal(hasEnded(own ?? ''), false)
    t.equal(hasEnded(`${boot}/${space}/${pid}/1`), true, 'the pid was used again')
    t.equal(hasEnded(`${boot}/${space}/4194305/1`), true, 'no such pid')
    t.equal(hasEnded(`another-boot/${space}/4194305/1`), false)
    t.equal(hasEnded(`${boot}/pid:[1]/4194305/1`), false, 'another container')
    t.end()
  },
)

test(
  'a starting node frees at once what a killed process of its machine held, and nothing of a living one',
  { skip },
  async (t) => {
    const store = await withDatabase(t)
    const child = spawn('sleep', ['600'])
    await once(child, 'spawn')
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    const began = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const mark = `${boot}/${readlinkSync('/proc/self/ns/pid')}/${child.pid}/${began}`
    const nodes = createNodeStore(store.db)
    const node = (process: string) => ({ id: randomUUID(), host: 'test', roles: ['worker'], release: '0', process })
    const [dead, alive] = [node(mark), node(own ?? '')]
    await nodes.beat(dead, 'pool-dead')
    await nodes.beat(alive, 'pool-alive')
    for (const [shard, { id }] of [dead, alive].entries()) {
      await store.pool.query(
        `update shard set claim_token = gen_random_uuid(), node_id = $2, lease_until = now() + interval '30 s' where id = $1`,
        [shard, id],
      )
      await store.pool.query(
        `insert into lease (name, node_id, token, until) values ($1, $2, gen_random_uuid(), now() + interval '15 s')`,
        [`lead ${shard}`, id],
      )
    }
    t.same(await nodes.reapEnded(hasEnded), [], 'both run')
    child.kill('SIGKILL')
    await once(child, 'exit')

    const jobs = createJobs({
      store,
      node: { id: randomUUID(), host: 'test', roles: ['worker'], release: '0', process: ownProcess() },
      log: silentLog,
      onDead: (ids) => lapseClaims(store.db, ids),
    })
    t.teardown(() => jobs.stop())
    await jobs.start()
    const { rows: claims } = await store.pool.query(
      'select id, lease_until < clock_timestamp() as free from shard where node_id is not null order by id',
    )
    t.same(claims, [
      { id: 0, free: true },
      { id: 1, free: false },
    ])
    const { rows: leases } = await store.pool.query(
      `select name, until < clock_timestamp() as free from lease where name like 'lead %' order by name`,
    )
    t.same(leases, [
      { name: 'lead 0', free: true },
      { name: 'lead 1', free: false },
    ])
    const { rows: registered } = await store.pool.query(
      'select stopped_at is not null as stopped from node where id = $1',
      [dead.id],
    )
    t.same(registered, [{ stopped: true }])
  },
)

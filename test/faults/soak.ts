import { pause } from '../src/support/eventually.js'
import { query, type Server } from './database.js'
import type { Verdict } from './ledgers.js'
import { startSamples, type Samples } from './soak-samples.js'
import type { Mood } from './provider.js'
import { openWorld, type World } from './world.js'

/** F27 in small: hours of half load with a fault every minute, and what must not grow. */
export interface SoakResult {
  readonly minutes: number
  /** Messages a second that the two nodes took when nothing held the senders back. */
  readonly fullRate: number
  /** Messages a second on average. */
  readonly rate: number
  readonly faults: readonly { readonly name: string; readonly runs: number; readonly recoveriesMs: readonly number[] }[]
  readonly verdict: Verdict
  readonly samples: Samples
  readonly messages: number
}

interface Mischief {
  readonly name: string
  run(world: World): Promise<void>
}

const LANES = 12
const RAMP_MS = 20_000
/** Without the guard of a balancer, a stopped node is taken out at once and comes back later. */
const STOPPED_MS = 20_000

const mood = (name: string, value: Mood): Mischief => ({
  name,
  async run(world) {
    world.provider.mood = () => value
    await pause(8_000)
    world.provider.mood = () => 'take'
  },
})

/**
 * One a minute, in turn. The first node lives through it all, so that its memory can be followed; deaths are the second one's.
 * What leaves the highest water mark comes first, within the warm-up: while a stopped or cut-off node keeps a transaction
 * open, no dead row can be cleared, and a small table of rows that are updated all the time never gets shorter again.
 */
const mischiefs: readonly Mischief[] = [
  {
    name: 'a node stands still (SIGSTOP)',
    async run(world) {
      const node = world.nodes[1]
      if (!node) return
      process.kill(node.pid, 'SIGSTOP')
      world.nodes[1] = null
      world.front.cut()
      await pause(STOPPED_MS)
      process.kill(node.pid, 'SIGCONT')
      world.nodes[1] = node
    },
  },
  {
    name: 'the line to PostgreSQL is silent',
    async run(world) {
      world.line.blackhole(true)
      await pause(5_000)
      world.line.blackhole(false)
    },
  },
  {
    name: 'kill -9 of a node',
    async run(world) {
      await world.kill9(1)
      await pause(3_000)
      await world.start(1)
    },
  },
  {
    name: 'PostgreSQL crashes',
    run: (world) => world.server.crash(),
  },
  {
    name: 'connections to PostgreSQL reset',
    async run(world) {
      for (let i = 0; i < 5; i++) {
        world.line.cut()
        await pause(300)
      }
    },
  },
  mood('the network answers 500', { status: 500 }),
  mood('the network hangs', 'hang'),
  {
    name: 'a node is stopped and started (SIGTERM)',
    async run(world) {
      await world.nodes[1]?.term()
      await world.start(1)
    },
  },
  {
    name: 'sockets of agents and networks are cut',
    async run(world) {
      for (let i = 0; i < 10; i++) {
        world.front.cut()
        await pause(500)
      }
    },
  },
  {
    name: 'the LISTEN connections are lost',
    async run(world) {
      await query(
        world.databaseUrl,
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name like 'throughline-listen%' and datname = current_database()`,
      )
    },
  },
  mood('the network answers 429', { status: 429, retryAfter: 1 }),
]

export async function soak(server: Server, minutes: number, say: (line: string) => void): Promise<SoakResult> {
  const sections = { analytics: { prometheus: { use: 'analytics-prometheus' } } }
  const world = await openWorld(server, { id: 'soak', nodes: 2, lanes: LANES, paceMs: 0, answerEvery: 40, sections })
  try {
    const fullRate = await ramp(world)
    const period = (LANES * 1_000) / (fullRate / 2)
    // What a message takes in this closed loop at full speed is about what it takes at half of it.
    world.traffic.pace(Math.max(1, period - (LANES * 1_000) / fullRate))
    say(`full speed ${fullRate.toFixed(0)} messages/s; going on at half of it`)
    await pause(10_000)

    let troubled = performance.now()
    const samples = startSamples(world, () => troubled)
    const before = world.traffic.sent.size
    const began = performance.now()
    const end = began + minutes * 60_000
    const done = new Map<string, number[]>()
    for (let n = 0; ; n++) {
      const next = began + (n + 0.5) * 60_000
      await pause(Math.max(0, Math.min(next, end) - performance.now()))
      if (performance.now() >= end) break
      const mischief = mischiefs[n % mischiefs.length] as Mischief
      troubled = Infinity
      await mischief.run(world)
      const recovery = await world.probe()
      troubled = performance.now()
      done.set(mischief.name, [...(done.get(mischief.name) ?? []), recovery])
      say(`${((troubled - began) / 60_000).toFixed(1)} min  ${mischief.name}: ${(recovery / 1_000).toFixed(1)} s`)
    }
    const messages = world.traffic.sent.size - before
    const seconds = (performance.now() - began) / 1_000
    await samples.stop()
    const verdict = await world.settle()
    return {
      minutes,
      fullRate,
      rate: messages / seconds,
      faults: [...done].map(([name, recoveriesMs]) => ({ name, runs: recoveriesMs.length, recoveriesMs })),
      verdict,
      samples,
      messages,
    }
  } finally {
    await world.scope.end()
  }
}

/** Messages a second at full speed: every lane sends as soon as its last message is acknowledged. */
async function ramp(world: World): Promise<number> {
  await pause(3_000)
  const seen = world.desk.seen.length
  await pause(RAMP_MS)
  return (world.desk.seen.length - seen) / (RAMP_MS / 1_000)
}

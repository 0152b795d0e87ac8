import { createDatabase } from './database.js'
import { load, startEngine, subscribe } from './engine.js'
import { handWritten } from './hand-written.js'
import { createScope, median, usage } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 3
const COUNT = 8_000
const SENDERS = 1_000
const CONNECTIONS = 64
const SECONDS = 6

/** Messages a second, from the signed webhook to the last message on the agent's socket, against the hand-written side. */
export async function b1(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const ours: number[] = []
    const theirs: number[] = []
    const loaderShare: number[] = []
    const engineCpuMs: number[] = []
    let rss = 0
    const engine = await startEngine(scope, await createDatabase(serverUrl, 'bench_b1'))
    const other = await handWritten(await createDatabase(serverUrl, 'bench_b1_theirs'))
    const listener = await subscribe(scope, engine)
    let first = 0
    const round = async (count: number) => {
      const before = await usage(engine.pid)
      const run = await load(engine, { first, count, senders: SENDERS, connections: CONNECTIONS })
      first += count
      const result = await run.result
      if (result.failed > 0) throw new Error(`${result.failed} of ${count} webhooks were refused`)
      await listener.waitFor(first, 120_000)
      const seconds = (performance.now() - run.startedAt) / 1000
      const after = await usage(engine.pid)
      rss = Math.max(rss, after.rssMb)
      return {
        rate: count / seconds,
        loader: result.cpuS / seconds,
        engineMs: ((after.cpuS - before.cpuS) * 1000) / count,
      }
    }
    await round(4_000)
    await other.run(2)
    for (let i = 0; i < ROUNDS; i++) {
      const { rate, loader, engineMs } = await round(COUNT)
      ours.push(rate)
      loaderShare.push(loader)
      engineCpuMs.push(engineMs)
      theirs.push(await other.run(SECONDS))
    }
    if (listener.twice > 0) throw new Error(`${listener.twice} messages came twice`)
    return {
      bench: 'B1',
      ratio: median(ours) / median(theirs),
      goal: '>= 1.0',
      ours: median(ours),
      theirs: median(theirs),
      unit: 'messages/s, transactions/s',
      rounds: { ours, theirs },
      theirsTool: other.tool,
      loaderCores: median(loaderShare),
      engineCpuMsPerMessage: median(engineCpuMs),
      engineRssMb: rss,
      messages: first,
      onSocketExactlyOnce: listener.arrived.size === first,
    }
  } finally {
    await scope.end()
  }
}

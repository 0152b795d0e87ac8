import { createDatabase } from './database.js'
import { startEngine, subscribe } from './engine.js'
import { createFlow } from './flow.js'
import { handWritten } from './hand-written.js'
import { createScope, median } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 5
/** About as long as a round of the other side. */
const COUNT = 18_000
export const SENDERS = 1_000
/** What gives the engine its best; the other side has the 16 clients of the budget. */
export const CONNECTIONS = 256
const SECONDS = 5

/** Messages a second, from the signed webhook to the last message on the agent's socket, against the hand-written side. */
export async function b1(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const ours: number[] = []
    const theirs: number[] = []
    const loaderShare: number[] = []
    const engineMs: number[] = []
    let rss = 0
    const engine = await startEngine(scope, await createDatabase(serverUrl, 'bench_b1'))
    const other = await handWritten(await createDatabase(serverUrl, 'bench_b1_theirs'))
    const listener = await subscribe(scope, engine)
    const flow = createFlow(engine, listener, SENDERS, CONNECTIONS)
    await flow.round(8_000)
    await other.run(2)
    for (let i = 0; i < ROUNDS; i++) {
      const round = await flow.round(COUNT)
      ours.push(round.rate)
      loaderShare.push(round.loader)
      engineMs.push(round.engineMsPerMessage)
      rss = Math.max(rss, round.rssMb)
      theirs.push(await other.run(SECONDS))
    }
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
      engineCpuMsPerMessage: median(engineMs),
      engineRssMb: rss,
      messages: flow.sent(),
      onSocketExactlyOnce: listener.arrived.size === flow.sent(),
    }
  } finally {
    await scope.end()
  }
}

import type { EngineProcess } from '../src/support/engine.js'
import { load, type Listener } from './engine.js'
import { usage } from './scope.js'

export interface FlowRound {
  readonly rate: number
  /** Cores the load generator used. */
  readonly loader: number
  readonly engineMsPerMessage: number
  readonly rssMb: number
}

/** Signed webhooks into one engine, until the last of them is on the agent's socket. */
export function createFlow(engine: EngineProcess, listener: Listener, senders: number, connections: number) {
  let first = 0
  return {
    /** Messages sent so far. */
    sent: () => first,
    async round(count: number): Promise<FlowRound> {
      const before = await usage(engine.pid)
      const run = await load(engine, { first, count, senders, connections })
      first += count
      const result = await run.result
      if (result.failed > 0) throw new Error(`${result.failed} of ${count} webhooks were refused`)
      await listener.waitFor(first, 120_000)
      const seconds = (performance.now() - run.startedAt) / 1000
      const after = await usage(engine.pid)
      if (listener.twice > 0) throw new Error(`${listener.twice} messages came twice`)
      return {
        rate: count / seconds,
        loader: result.cpuS / seconds,
        engineMsPerMessage: ((after.cpuS - before.cpuS) * 1000) / count,
        rssMb: after.rssMb,
      }
    },
  }
}

import { createScope, median, usage } from './scope.js'
import { startEngineProcess } from '../src/support/engine.js'
import { makeWorkplace } from '../src/support/workplace.js'
import type { Line } from './report.js'

const STARTS = 5

/** Start to ready with the embedded PostgreSQL's data warm, and memory of the idle engine process. */
export async function b8(): Promise<Line> {
  const scope = createScope()
  try {
    const workplace = await makeWorkplace()
    scope.teardown(() => workplace.remove())
    const seconds: number[] = []
    let rss = Number.NaN
    let settled = Number.NaN
    for (let i = 0; i <= STARTS; i++) {
      const from = performance.now()
      const engine = await startEngineProcess(scope, { workplace, env: { SMTP_PORT: '0' } })
      // The first start makes the database; the others find it.
      if (i > 0) seconds.push((performance.now() - from) / 1000)
      if (i === STARTS) {
        await new Promise((resolve) => setTimeout(resolve, 5_000))
        rss = (await usage(engine.pid)).rssMb
        // V8 gives back what the start needed after about a minute in which little happens.
        await new Promise((resolve) => setTimeout(resolve, 85_000))
        settled = (await usage(engine.pid)).rssMb
      }
      await engine.term()
    }
    return {
      bench: 'B8',
      ratio: median(seconds) / 3,
      goal: 'ready <= 3 s; idle <= 150 MB; under B1 <= 400 MB (see B1)',
      ours: median(seconds),
      theirs: 3,
      unit: 's from start to ready, s allowed',
      starts: seconds,
      idleRssMb: rss,
      settledRssMb: settled,
    }
  } finally {
    await scope.end()
  }
}

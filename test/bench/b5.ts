import { loadavg } from 'node:os'
import { coreBench } from './core.js'
import { createDatabase } from './database.js'
import { createScope, median } from './scope.js'
import type { Line } from './report.js'

interface DispatchLoad {
  decide(agents: number): Promise<number>
  lookThrough(): Promise<number>
  stop(): Promise<void>
}
interface Dispatch {
  prepareDispatch(
    url: string,
    size: { items: number; agents: number; skills: number; unroutable: number },
  ): Promise<DispatchLoad>
}

const ROUNDS = 60
const SKILLS = 50
const UNROUTABLE = 500
const BURST = 50

/** What a routing decision costs, from the wake-up to the committed offer, with much waiting against with little. */
export async function b5(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const { prepareDispatch } = await coreBench<Dispatch>('dispatch-load')
    const sides = await Promise.all(
      [
        { name: 'bench_b5_large', items: 100_000, agents: 1_000 },
        { name: 'bench_b5_small', items: 1_000, agents: 100 },
      ].map(async ({ name, ...size }) => {
        const url = await createDatabase(serverUrl, name)
        const load = await prepareDispatch(url, { ...size, skills: SKILLS, unroutable: UNROUTABLE })
        scope.teardown(() => load.stop())
        return load
      }),
    )
    const [large, small] = sides as [DispatchLoad, DispatchLoad]
    const measure = async (rounds: number, what: (load: DispatchLoad) => Promise<number>) => {
      const ms: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] }
      for (let round = -5; round < rounds; round++) {
        const [mine, other] = [await what(large), await what(small)]
        if (round < 0) continue
        ms.ours.push(mine)
        ms.theirs.push(other)
      }
      return { ratio: median(ms.ours) / median(ms.theirs), ours: median(ms.ours), theirs: median(ms.theirs) }
    }
    const single = await measure(ROUNDS, (load) => load.decide(1))
    const burst = await measure(10, (load) => load.decide(BURST))
    const sweep = await measure(5, (load) => load.lookThrough())
    return {
      bench: 'B5',
      ...single,
      goal: '<= 2',
      unit: 'ms a decision, ms a decision',
      // 50 agents get room at the same moment; ms a decision.
      burst,
      // What the sweep costs every 5 s while everybody is full; ms a sweep.
      sweep,
      unroutableHeads: UNROUTABLE,
      rounds: ROUNDS,
      loadAverage: loadavg()[0] ?? null,
    }
  } finally {
    await scope.end()
  }
}

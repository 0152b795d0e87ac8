import { CONNECTIONS, SENDERS } from './b1.js'
import { createDatabase } from './database.js'
import { startEngine, subscribe } from './engine.js'
import { createFlow } from './flow.js'
import { writeHistory } from './history.js'
import { createScope, median } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 3
const COUNT = 10_000
const CONTACTS = 200_000
const MESSAGES = 1_000_000

/** B1's flow over a database that holds years of messages, against the same flow over an empty one; rounds interleaved. */
export async function b3(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const fullUrl = await createDatabase(serverUrl, 'bench_b3_full')
    const emptyUrl = await createDatabase(serverUrl, 'bench_b3_empty')
    // The first start makes the tables.
    await (await startEngine(scope, fullUrl)).term()
    await writeHistory(fullUrl, CONTACTS, MESSAGES)
    const sides = []
    for (const url of [fullUrl, emptyUrl]) {
      const engine = await startEngine(scope, url)
      sides.push(createFlow(engine, await subscribe(scope, engine), SENDERS, CONNECTIONS))
    }
    const [full, empty] = sides as [(typeof sides)[0], (typeof sides)[0]]
    for (const side of sides) await side.round(8_000)
    const ours: number[] = []
    const theirs: number[] = []
    for (let i = 0; i < ROUNDS; i++) {
      ours.push((await full.round(COUNT)).rate)
      theirs.push((await empty.round(COUNT)).rate)
    }
    return {
      bench: 'B3',
      ratio: median(ours) / median(theirs),
      goal: '>= 0.8',
      ours: median(ours),
      theirs: median(theirs),
      unit: 'messages/s with 1,000,000 stored, with none',
      rounds: { ours, theirs },
      contacts: CONTACTS,
      messages: MESSAGES,
    }
  } finally {
    await scope.end()
  }
}

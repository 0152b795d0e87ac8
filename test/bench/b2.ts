import { Agent, request } from 'node:http'
import { createDatabase } from './database.js'
import { channel, secret, startEngine, subscribe } from './engine.js'
import { commitMs, handWritten } from './hand-written.js'
import { signStandard } from '../src/support/signatures.js'
import { createScope, median, percentile } from './scope.js'
import type { Line } from './report.js'

const PER_SECOND = 100
const SECONDS = 12
const SENDERS = 200

/** Milliseconds from the start of the POST to the message on the agent's socket at 100 messages/s, in durable commits. */
export async function b2(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const other = await createDatabase(serverUrl, 'bench_b2_theirs')
    await handWritten(other)
    const engine = await startEngine(scope, await createDatabase(serverUrl, 'bench_b2'))
    const listener = await subscribe(scope, engine)
    const sent = new Map<number, number>()
    const agent = new Agent({ keepAlive: true })
    scope.teardown(() => agent.destroy())
    const post = async (number: number): Promise<void> => {
      const sender = `customer-${number % SENDERS}`
      const body = JSON.stringify({
        events: [
          {
            id: `m-${number}`,
            type: 'message',
            at: Date.now(),
            thread: { id: sender },
            sender: { id: sender },
            text: `#${number} hello`,
          },
        ],
      })
      const headers = { 'content-type': 'application/json', ...signStandard(body, secret) }
      sent.set(number, performance.now())
      const status = await send(`${engine.url}/channels/${channel}/webhook`, agent, headers, body)
      if (status !== 200) throw new Error(`the webhook was answered ${status}`)
    }
    const run = async (first: number, count: number): Promise<void> => {
      const posts: Promise<void>[] = []
      const from = performance.now()
      for (let i = 0; i < count; i++) {
        const wait = from + (i * 1000) / PER_SECOND - performance.now()
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
        posts.push(post(first + i))
      }
      await Promise.all(posts)
      await listener.waitFor(first + count, 30_000)
    }
    const warm = 3 * PER_SECOND
    await run(0, warm)
    const commits = await commitMs(other, 300)
    await run(warm, SECONDS * PER_SECOND)
    commits.push(...(await commitMs(other, 300)))
    const paced = median(await commitMs(other, 300, 1000 / PER_SECOND))
    const taken = [...sent]
      .filter(([number]) => number >= warm)
      .map(([number, at]) => listener.arrived.get(number)! - at)
    const commit = median(commits)
    const p50 = percentile(taken, 0.5)
    const p99 = percentile(taken, 0.99)
    return {
      bench: 'B2',
      ratio: p50 / commit,
      goal: 'p50 <= 10, p99 <= 60',
      ours: p50,
      theirs: commit,
      unit: 'ms (p50), ms of one durable commit (p50)',
      ratioP99: p99 / commit,
      p99,
      /** The same commit at the pace of the messages: every wait between two finds a processor gone to sleep. */
      commitAtThatPace: paced,
      ratioAtThatPace: p50 / paced,
      ratioP99AtThatPace: p99 / paced,
      messages: taken.length,
    }
  } finally {
    await scope.end()
  }
}

/** Bare HTTP over connections that stay open: the sender's own time must not count as the engine's. */
function send(url: string, agent: Agent, headers: Record<string, string>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject).end(body)
  })
}

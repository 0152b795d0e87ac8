import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { signIn } from '@throughline/plugin-sdk/agent-client'
import { configWith } from '../src/support/workplace.js'
import { startEngineProcess, type EngineProcess } from '../src/support/engine.js'
import { createDatabase, query } from './database.js'
import { channel, load, secret } from './engine.js'
import { createScope, median, type Scope } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 3
const CONVERSATIONS = 300
const PROVIDER_MS = 120

interface SlowProvider {
  readonly url: string
  count(): number
  /** Requests are taken and not answered until it opens again. */
  shut(): void
  open(): void
}

/** A provider that takes its time, as real ones do, and counts what it answered. */
async function slowProvider(scope: Scope): Promise<SlowProvider> {
  let count = 0
  let waiting: (() => void)[] | null = null
  const server = createServer((request, response) => {
    const answer = (): void => {
      setTimeout(() => {
        count += 1
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: `p-${count}` }))
      }, PROVIDER_MS)
    }
    request.resume().on('end', () => (waiting === null ? answer() : waiting.push(answer)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    count: () => count,
    shut: () => void (waiting = []),
    open() {
      for (const answer of waiting ?? []) answer()
      waiting = null
    },
  }
}

/**
 * Answers a second through a provider that needs 120 ms for each: two worker nodes against one. What a node may have on its
 * way at a time (eight lanes a channel) is the limit then, not PostgreSQL and not the processors.
 */
export async function b7(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const provider = await slowProvider(scope)
    const databaseUrl = await createDatabase(serverUrl, 'bench_b7')
    const config = configWith({
      channels: {
        [channel]: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: provider.url } },
      },
    })
    const node = (): Promise<EngineProcess> => startEngineProcess(scope, { config, databaseUrl })
    const engine = await node()
    const { token } = await signIn(engine.url, { code: engine.signInCode })
    const { result } = await load(engine, { first: 0, count: CONVERSATIONS, senders: CONVERSATIONS, connections: 16 })
    await result
    const conversations = async () => (await query(databaseUrl, 'select id from conversation')).map((row) => row['id'])
    while ((await conversations()).length < CONVERSATIONS) await delay(50)
    const ids = await conversations()
    let expected = 0
    const answer = async (id: unknown): Promise<void> => {
      const response = await fetch(`${engine.url}/v1/conversations/${String(id)}/messages`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          'idempotency-key': `b7-${expected++}`,
        },
        body: JSON.stringify({ body: 'It is on its way.' }),
      })
      if (!response.ok) throw new Error(`an answer was refused: ${response.status} ${await response.text()}`)
    }
    const round = async (): Promise<number> => {
      // All are queued before the first is answered, so that delivery alone is measured.
      provider.shut()
      for (let i = 0; i < ids.length; i += 10) await Promise.all(ids.slice(i, i + 10).map(answer))
      const before = provider.count()
      const from = performance.now()
      provider.open()
      while (provider.count() < expected) {
        if (performance.now() > from + 120_000) throw new Error(`${provider.count()} of ${expected} answers were sent`)
        await delay(5)
      }
      return ((expected - before) * 1000) / (performance.now() - from)
    }
    const ours: number[] = []
    const theirs: number[] = []
    await round()
    for (let i = 0; i < ROUNDS; i++) {
      theirs.push(await round())
      const second = await node()
      // Its first answers compile its code, as the first node's did before the clock started.
      await round()
      ours.push(await round())
      await second.term()
    }
    return {
      bench: 'B7',
      ratio: median(ours) / median(theirs),
      goal: '>= 1.6',
      ours: median(ours),
      theirs: median(theirs),
      unit: 'answers/s by two nodes, by one',
      rounds: { ours, theirs },
      providerMs: PROVIDER_MS,
    }
  } finally {
    await scope.end()
  }
}

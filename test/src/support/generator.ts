import { pause } from './eventually.js'
import type { Headers } from './signatures.js'

/** One webhook of a generated load. Sent again it is signed again, as providers do. */
export interface Delivery {
  /** What must stay in order among itself. */
  readonly lane: string
  /** The provider's id of the message. */
  readonly id: string
  readonly url: string
  readonly body: string
  readonly sign: (body: string) => Headers
}

export interface Load {
  /** Ids in order of their first acknowledgement, by lane. */
  readonly acknowledged: ReadonlyMap<string, readonly string[]>
  /** Requests that were answered 2xx, redeliveries included. */
  readonly answered: () => number
  /** Requests that failed or got a 5xx and were sent again. */
  readonly retried: () => number
  /** Resolves when everything is acknowledged; rejects at the first answer that makes no sense (a 4xx). */
  readonly done: Promise<void>
  /** Sends nothing further; `done` rejects, unless all was acknowledged. */
  stop(): void
}

const ANSWER_MS = 10_000
const RETRY_MS = 100

/**
 * A provider that gives up on nothing: each lane's deliveries one after the other, the next one only after the one before
 * was acknowledged; `width` requests at a time.
 */
export function startLoad(lanes: readonly (readonly Delivery[])[], width: number): Load {
  const acknowledged = new Map<string, string[]>()
  let answered = 0
  let retried = 0
  const stop = new AbortController()

  const deliver = async (one: Delivery): Promise<void> => {
    for (;;) {
      stop.signal.throwIfAborted()
      const status = await post(one)
      if (status >= 200 && status < 300) break
      if (status >= 400 && status < 500) throw new Error(`${one.id} was refused with ${status}`)
      retried++
      await pause(RETRY_MS)
    }
    answered++
    const ids = acknowledged.get(one.lane) ?? []
    acknowledged.set(one.lane, ids)
    if (!ids.includes(one.id)) ids.push(one.id)
  }

  // Each worker has lanes of its own and goes round them, so that all lanes are under way all the time.
  const worker = async (own: readonly (readonly Delivery[])[]): Promise<void> => {
    const longest = Math.max(0, ...own.map((lane) => lane.length))
    for (let turn = 0; turn < longest; turn++) {
      for (const lane of own) {
        const one = lane[turn]
        if (one !== undefined) await deliver(one)
      }
    }
  }
  const workers = Array.from({ length: width }, (_, n) => worker(lanes.filter((_lane, i) => i % width === n)))
  const done = Promise.all(workers).then(
    () => undefined,
    (error: unknown) => {
      stop.abort(error)
      throw error
    },
  )
  return { acknowledged, answered: () => answered, retried: () => retried, done, stop: () => stop.abort() }
}

/** 0: no answer, whatever the reason; it may have arrived all the same. */
async function post({ url, body, sign }: Delivery): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...sign(body) },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

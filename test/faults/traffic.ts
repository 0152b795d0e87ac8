import { pause } from '../src/support/eventually.js'
import { signStandard } from '../src/support/signatures.js'

export const SECRET = 'the-secret-of-the-api-channel'
const ANSWER_MS = 10_000
const RETRY_MS = 100

/** A network that sends numbered messages and gives up on none. */
export interface Traffic {
  /** Ids in the order of their first acknowledgement, by lane. */
  readonly acknowledged: ReadonlyMap<string, readonly string[]>
  /** Everything that was ever sent, acknowledged or not. */
  readonly sent: ReadonlySet<string>
  /** Requests that were sent again because no 2xx came. */
  readonly retried: () => number
  /** 4xx answers: there must be none. */
  readonly refused: readonly string[]
  /** One message more, on a lane of its own, with these fields on top; resolves when it is acknowledged. */
  one(lane: string, fields?: Readonly<Record<string, unknown>>): Promise<string>
  /** The same message once more. */
  again(lane: string, id: string, fields?: Readonly<Record<string, unknown>>): Promise<void>
  /** Lanes wait, or go on. */
  hold(on: boolean): void
  /** When each was sent first, in milliseconds of `performance.now()`. */
  readonly sentAt: ReadonlyMap<string, number>
  /** Another pause between two messages of a lane. */
  pace(ms: number): void
  /** Sends nothing any more, acknowledged or not. */
  abandon(): void
  /** Resolves when the last message of every lane is acknowledged. */
  stop(): Promise<void>
}

export interface TrafficOptions {
  readonly url: string
  readonly channel?: string
  /** Beginning of the lanes' names; the channel's when absent. */
  readonly name?: string
  readonly lanes: number
  /** Pause of a lane between two messages. */
  readonly paceMs: number
}

export function startTraffic({ url, channel = 'api', name = channel, lanes, paceMs }: TrafficOptions): Traffic {
  const sentAt = new Map<string, number>()
  let paused = paceMs
  const acknowledged = new Map<string, string[]>()
  const known = new Set<string>()
  const sent = new Set<string>()
  const refused: string[] = []
  const numbers = new Map<string, number>()
  let retried = 0
  let over = false
  let abandoned = false
  let held = false

  const deliver = async (lane: string, id: string, fields: object = {}): Promise<void> => {
    const event = { id, type: 'message', thread: { id: lane }, sender: { id: `user-${lane}` }, text: id, ...fields }
    const body = JSON.stringify({ events: [event] })
    sent.add(id)
    if (!sentAt.has(id)) sentAt.set(id, performance.now())
    for (;;) {
      const status = await post(`${url}/channels/${channel}/webhook`, body)
      if (status >= 200 && status < 300) break
      if (abandoned) return
      if (status >= 400 && status < 500) refused.push(`${id}: ${status}`)
      retried++
      await pause(RETRY_MS)
    }
    const ids = acknowledged.get(lane) ?? []
    acknowledged.set(lane, ids)
    // A list alone would have to be searched: in a long run that becomes most of what this process does.
    if (!known.has(id)) ids.push(id)
    known.add(id)
  }
  const next = (lane: string): string => {
    const n = (numbers.get(lane) ?? 0) + 1
    numbers.set(lane, n)
    return `${lane}-${n}`
  }
  const run = async (lane: string): Promise<void> => {
    for (let n = 1; !over; n++) {
      if (held) {
        await pause(RETRY_MS)
        continue
      }
      const id = next(lane)
      await deliver(lane, id)
      // One in ten comes twice, as networks do when our answer was slow.
      if (n % 10 === 0) await deliver(lane, id)
      await pause(paused)
    }
  }
  const running = Array.from({ length: lanes }, (_, i) => run(`${name}-room${i}`))
  return {
    acknowledged,
    sent,
    refused,
    sentAt,
    pace: (ms) => void (paused = ms),
    retried: () => retried,
    again: deliver,
    hold: (on) => void (held = on),
    async one(lane, fields) {
      const id = next(lane)
      await deliver(lane, id, fields)
      return id
    },
    abandon() {
      over = abandoned = true
    },
    async stop() {
      over = true
      await Promise.all(running)
    },
  }
}

/** 0: no answer, whatever the reason. */
async function post(url: string, body: string): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signStandard(body, SECRET) },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

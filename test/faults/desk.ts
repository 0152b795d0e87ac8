import { randomUUID } from 'node:crypto'
import { createAgentClient, ticketFrom, type AgentClient } from '@throughline/plugin-sdk/agent-client'
import { WebSocket } from 'ws'
import type { Scope } from '../bench/scope.js'
import { pause } from '../src/support/eventually.js'

/** An agent at a desk, on the reference client: accepts what is offered, answers some of what comes, and keeps a ledger. */
export interface Desk {
  /** Texts of inbound messages in the order the socket brought them. */
  readonly seen: readonly string[]
  /** When each came first, in milliseconds of `performance.now()`. */
  readonly seenAt: ReadonlyMap<string, number>
  /** Positions in the order they came. */
  readonly positions: readonly number[]
  /** Texts of answers whose command was answered with success. */
  readonly answered: ReadonlySet<string>
  readonly states: readonly string[]
  readonly resyncs: () => number
  /** Commands that are not answered yet. */
  readonly open: () => number
  /** Commands refused for good, with their code. */
  readonly refused: readonly string[]
  /** What became of each offer shown: `open`, `accepted`, or the code of the refusal. */
  readonly offers: ReadonlyMap<string, string>
  readonly client: AgentClient
}

export interface DeskOptions {
  readonly url: string
  readonly token: string
  /** Answers one in so many messages; 0: none. */
  readonly answerEvery: number
  /** Only looks on: accepts nothing and is not available. */
  readonly quiet?: boolean
}

/** Messages of such lanes get no answer: a restore is going to forget them. */
export const FORGOTTEN = 'forgotten'

/** Codes after which a person presses the button again. */
const AGAIN = /^TL_(INTERNAL|STORE|NODE|SOCKET_RATE)/

export async function openDesk(scope: Scope, { url, token, answerEvery, quiet = false }: DeskOptions): Promise<Desk> {
  const seen: string[] = []
  const seenAt = new Map<string, number>()
  const positions: number[] = []
  const answered = new Set<string>()
  const states: string[] = []
  const refused: string[] = []
  const offers = new Map<string, string>()
  let resyncs = 0
  let open = 0
  let closed = false

  const command = async (type: string, data: object, done?: () => void): Promise<void> => {
    const id = randomUUID()
    open++
    try {
      for (;;) {
        try {
          await client.send(type, data, { id })
          return done?.()
        } catch (error) {
          const { code } = error as { code: string }
          if (closed || !AGAIN.test(code)) {
            if (type === 'message.send') refused.push(`${type}: ${code}`)
            else if (type === 'offer.accept') offers.set((data as { offerId: string }).offerId, code)
            return
          }
          await pause(300)
        }
      }
    } finally {
      open--
    }
  }
  const client = createAgentClient({
    url: `${url.replace(/^http/, 'ws')}/v1/agent/ws`,
    ticket: () => ticketFrom(url, token),
    WebSocket: WebSocket,
    onState: (state) => states.push(state),
    onResync: () => {
      resyncs++
      // What a client has is void then.
      seen.length = positions.length = 0
    },
    onEvent: (event) => {
      if (event.position !== undefined) positions.push(event.position)
      if (event.t === 'offer.created' && !quiet) {
        const offerId = String(event.d['offerId'])
        offers.set(offerId, 'open')
        void command('offer.accept', { offerId }, () => offers.set(offerId, 'accepted'))
      }
      // Offers waited in vain while nothing went through: the agent was taken for absent, and comes back as a person would.
      if (event.t === 'offer.rescinded' && event.d['reason'] === 'away' && !quiet)
        void command('presence.set', { state: 'online' })
      if (event.t !== 'message.inbound') return
      const text = String(event.d['text'])
      seen.push(text)
      if (!seenAt.has(text)) seenAt.set(text, performance.now())
      if (answerEvery === 0 || text.startsWith(FORGOTTEN) || seen.length % answerEvery !== 0) return
      const body = `re ${text}`
      void command('message.send', { conversation: event.d['conversation'], body }, () => answered.add(body))
    },
  })
  scope.teardown(() => {
    closed = true
    client.close()
  })
  if (!quiet) await command('presence.set', { state: 'online' })
  return {
    seen,
    seenAt,
    positions,
    answered,
    states,
    refused,
    resyncs: () => resyncs,
    open: () => open,
    offers,
    client,
  }
}

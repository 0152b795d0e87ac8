import fc from 'fast-check'
import { sql } from 'kysely'
import { test } from 'tap'
import { PluginError, type PluginErrorCode } from '@throughline/plugin-sdk'
import { withDatabase } from '../support/database.js'
import {
  eventsOf,
  hurry,
  lapse,
  messageState,
  Network,
  say,
  seed,
  sendsOf,
  startNode,
  textChannel,
  until,
} from './fixture.js'

const codes: readonly (PluginErrorCode | 'ok' | 'throw' | 'vanish')[] = [
  ...(['ok', 'ok', 'ok', 'throw', 'vanish', 'retryable', 'rate_limited', 'auth', 'recipient'] as const),
  ...(['window_closed', 'unsupported', 'permanent', 'uncertain', 'bug'] as const),
]

test('whatever a network does, every message ends as sent, failed, dead or unknown with a reason, and in order', async (t) => {
  const store = await withDatabase(t)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...codes), { minLength: 5, maxLength: 60 }),
      fc.boolean(),
      async (script, idempotentSend) => {
        const network = new Network()
        const capabilities = { ...textChannel, idempotentSend }
        const nodes = [1, 2].map(() =>
          startNode(t, store, { channels: { chat: { network, capabilities } }, limits: { sendTimeoutMs: 30 } }),
        )
        let step = 0
        network.behave = async () => {
          const what = script[step++] ?? 'ok'
          if (what === 'ok') return { externalId: `${network.attempts.length}-${Math.random()}` }
          if (what === 'throw') throw new Error('boom')
          if (what === 'vanish') return new Promise(() => undefined)
          throw new PluginError(what, 'x', what === 'rate_limited' ? { retryAfterMs: 1 } : {})
        }
        const places = [await seed(store), await seed(store)]
        const ids: string[] = []
        for (let index = 0; index < 6; index += 1) {
          const { messageId } = await nodes[index % 2]!.outbound.queue(say(places[index % 2]!, `${index}`, `${index}+`))
          ids.push(messageId)
        }
        const over = new Set(['sent', 'failed', 'dead', 'unknown'])
        await until(async () => {
          for (const node of nodes) node.channels.get('chat')?.setLive(true)
          await hurry(store, nodes[0]!)
          await lapse(store).catch(() => undefined)
          await nodes[1]!.outbound.sweep()
          const states = await Promise.all(ids.map((id) => messageState(store, id)))
          return states.every((state) => over.has(state ?? ''))
        }, 'the end of every message')
        for (const id of ids) {
          const state = await messageState(store, id)
          const sends = await sendsOf(store, id)
          t.ok(sends.every((send) => !['queued', 'sending'].includes(send.state) && send.settled_at !== null))
          const { types, last } = await eventsOf(store, id)
          t.equal(types.at(-1), `message.${state}`, 'the last event tells the state')
          if (state !== 'sent') t.ok(last.code && last.reason, `${state} has a reason`)
        }
        for (const [index, where] of places.entries()) {
          const first = new Map<string, number>()
          network.attempts.forEach(
            ({ part }, at) => part.thread.id === where.thread && !first.has(part.text) && first.set(part.text, at),
          )
          const order = [...first.entries()].sort((a, b) => a[1] - b[1]).map(([text]) => text)
          t.same(order, order.toSorted(), `thread ${index} in order`)
        }
        t.equal(network.overlaps.length === 0 || script.includes('vanish'), true)
        await Promise.all(nodes.map((node) => node.outbound.stop(0)))
        await sql`delete from channel_limit`.execute(store.db)
      },
    ),
    { numRuns: 12, endOnFailure: true },
  )
})

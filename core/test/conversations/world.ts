import { randomUUID } from 'node:crypto'
import type { InboundEvent } from '@throughline/plugin-sdk'
import { systemClock } from '../../src/clock.js'
import type { Config } from '../../src/config/contract.js'
import type { ConversationService } from '../../src/conversations/contract.js'
import { createConversations } from '../../src/conversations/conversation-service.js'
import type { StoredEvent } from '../../src/events/contract.js'
import { createIds } from '../../src/ids.js'
import type { Jobs } from '../../src/jobs/contract.js'
import { createRouting } from '../../src/routing/routing.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { message, pipeline, silent, type Pipeline } from '../support/pipeline.js'

export const ada = { actor: { kind: 'agent', id: 'ada' } } as const

export interface World {
  readonly store: Store
  readonly pipe: Pipeline
  readonly routing: ReturnType<typeof createRouting>
  readonly conversations: ConversationService
  readonly events: StoredEvent[]
  /** How often work was woken. */
  woken(): number
  /** A message of `sender` over a channel; the id of the conversation it came to. */
  says(channel: string, sender: string, text: string, more?: Partial<InboundEvent>): Promise<string>
  /** A conversation of its own for the sender: the one before is set aside meanwhile. */
  another(conversation: string, channel: string, sender: string, text: string): Promise<string>
  rows(query: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** Types of the events so far, of one conversation. */
  typesOf(conversation: string): Promise<string[]>
}

/** A real database with the way of a message, work and the conversation service on it, as the kernel wires them. */
export async function conversationWorld(t: { teardown(fn: () => void | Promise<void>): void }): Promise<World> {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  const events: StoredEvent[] = []
  pipe.reader.subscribe((batch) => events.push(...batch))
  const ids = createIds(systemClock)
  const nothing = () => undefined
  const routing = createRouting({
    db: store.db,
    config: { queues: [], defaultQueue: 'support', channels: [], agents: [] } as unknown as Config,
    events: pipe.sequencer,
    jobs: {
      task: nothing,
      every: nothing,
      add: async () => undefined,
      addNow: async () => undefined,
    } as unknown as Jobs,
    clock: systemClock,
    ids,
    node: randomUUID(),
    publish: nothing,
    instances: () => [],
    log: silent,
  })
  t.teardown(async () => {
    await routing.stop()
    await pipe.stop()
  })
  let woken = 0
  const conversations = createConversations({
    db: store.db,
    ids,
    events: pipe.sequencer,
    fileUrl: (key, name) => `https://files.test/${key}?name=${name ?? ''}`,
    endWork: (trx, conversation, context) => routing.work.end(trx, conversation, 'done', context),
    openWork: (trx, split) => routing.work.open(trx, split),
    joinWork: (trx, from, into, context) => routing.work.join(trx, from, into, context),
    wake: () => {
      woken += 1
    },
  })
  const rows: World['rows'] = async (query, values = []) =>
    (await store.pool.query<Record<string, unknown>>(query, [...values])).rows
  const world: World = {
    store,
    pipe,
    routing,
    conversations,
    events,
    woken: () => woken,
    async says(channel, sender, text, more = {}) {
      const event = message(sender, text, more as never)
      await pipe.accept(channel, [event])
      await pipe.drained()
      const [row] = await rows('select conversation_id as id from message where channel = $1 and external_id = $2', [
        channel,
        event.id,
      ])
      return row!['id'] as string
    },
    async another(conversation, channel, sender, text) {
      await rows(
        `update conversation set status = 'resolved', resolved_at = now() - interval '20 days' where id = $1`,
        [conversation],
      )
      const id = await world.says(channel, sender, text)
      await rows(`update conversation set status = 'open', resolved_at = null where id = $1`, [conversation])
      return id
    },
    rows,
    async typesOf(conversation) {
      await pipe.drained()
      return events.filter((event) => event.conversation === conversation).map((event) => event.type)
    },
  }
  return world
}

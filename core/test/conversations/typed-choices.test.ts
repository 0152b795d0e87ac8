import { test } from 'tap'
import type { Capabilities, Part } from '@throughline/plugin-sdk'
import { PluginError } from '@throughline/plugin-sdk'
import type { Store } from '../../src/store/store.js'
import { Network, startNode, textChannel, untilState, type TestNode } from '../outbound/fixture.js'
import { withDatabase } from '../support/database.js'
import { message, pipeline, type Pipeline } from '../support/pipeline.js'

const question: Part = {
  type: 'choices',
  text: 'What is it about?',
  choices: [
    { label: 'My order', value: 'order' },
    { label: 'Talk to a person', value: 'person' },
  ],
}
const withButtons: Capabilities = { ...textChannel, choices: { max: 3, maxLabel: 20 } }

interface World {
  readonly store: Store
  readonly pipe: Pipeline
  readonly node: TestNode
  readonly network: Network
  /** The customer writes; answers the event of it: text, and the chosen value if there is one. */
  writes(text: string, more?: object): Promise<{ text: string; choice: string | undefined; conversation: string }>
  says(kind: 'agent' | 'bot' | 'system', part: Part): Promise<string>
}

async function world(
  t: { teardown(fn: () => void | Promise<void>): void },
  capabilities = textChannel,
): Promise<World> {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  t.teardown(() => pipe.stop())
  const network = new Network()
  const node = startNode(t, store, { channels: { sms: { network, capabilities } } })
  let conversation = ''
  return {
    store,
    pipe,
    node,
    network,
    async writes(text, more = {}) {
      const event = message('+15550001', text, more)
      await pipe.accept('sms', [event])
      await pipe.drained()
      const { rows } = await store.pool.query(
        `select m.text, m.conversation_id as conversation, e.data ->> 'action' as choice
         from message m join event_log e on e.type = 'message.inbound' and e.data ->> 'messageId' = m.id::text
         where m.external_id = $1`,
        [event.id],
      )
      conversation = rows[0].conversation
      return { ...rows[0], choice: rows[0].choice ?? undefined }
    },
    async says(kind, part) {
      const author = { kind, id: kind === 'system' ? null : 'helper' }
      const { messageId } = await node.outbound.queue({ conversation, parts: [part], author })
      await untilState(store, messageId, 'sent')
      return messageId
    },
  }
}

test('a typed number or label of a listed choice is the choice; the timeline keeps what the customer wrote', async (t) => {
  const { writes, says, network } = await world(t)
  t.match(await writes('2'), { text: '2', choice: undefined }, 'nothing was asked yet')
  await says('bot', question)
  t.equal(network.texts.at(-1), 'What is it about?\n\n1. My order\n2. Talk to a person')
  t.match(await writes('2.'), { text: '2.', choice: 'person' })
  t.match(await writes('my ORDER'), { text: 'my ORDER', choice: 'order' })
  t.match(await writes('I have 2 lamps'), { choice: undefined })
  t.match(await writes('7'), { choice: undefined })
  t.match(await writes('1', { automatic: true }), { choice: undefined }, 'no machine chooses')
})

test('a list is over when an agent goes on talking or a day has passed, not when the engine says something', async (t) => {
  const { writes, says, store } = await world(t)
  await writes('hello')
  await says('bot', question)
  await says('system', { type: 'text', text: 'We are there in a minute.' })
  t.match(await writes('2'), { choice: 'person' })
  await says('agent', { type: 'text', text: 'How many lamps?' })
  t.match(await writes('2'), { choice: undefined })
  await says('bot', question)
  t.match(await writes('2'), { choice: 'person' })
  await store.pool.query(`update touchpoint set choices_until = choices_until - interval '25 hours'`)
  t.match(await writes('2'), { choice: undefined })
})

test('beside real buttons a typed number is no choice, unless the network refused the buttons', async (t) => {
  const { writes, says, network } = await world(t, withButtons)
  await writes('hello')
  await says('bot', question)
  t.match(await writes('2'), { choice: undefined })
  network.behave = async (part) => {
    if (part.content.type === 'choices') throw new PluginError('unsupported', 'no buttons here')
    return network.accept()
  }
  await says('bot', question)
  t.equal(network.texts.at(-1), 'What is it about?\n\n1. My order\n2. Talk to a person')
  t.match(await writes('2'), { choice: 'person' })
})

test('routing sees the choice, also where the answer opens a new conversation', async (t) => {
  const { writes, says, store } = await world(t)
  const first = await writes('hello')
  await says('bot', question)
  await store.pool.query(`update work_item set state = 'done', ended_at = now()`)
  await store.pool.query(`update conversation set status = 'resolved', resolved_at = now() - interval '20 days'`)
  const second = await writes('2')
  t.not(second.conversation, first.conversation)
  t.equal(second.choice, 'person')
  const { rows } = await store.pool.query(
    `select facts -> 'message' as message from routing_decision where conversation_id = $1`,
    [second.conversation],
  )
  t.match(rows, [{ message: { text: '2', choice: 'person' } }])
})

import { test } from 'tap'
import { startAgent } from './support/agent.js'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { openChat, textOf } from './support/visitor.js'
import { configWith } from './support/workplace.js'

/** The day after tomorrow, so that no midnight anywhere comes in between. */
const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)

test('a chat at night, from the widget’s door to the morning’s queue, and what a supervisor does about it', async (t) => {
  const config = configWith({
    channels: { webchat: { use: 'channel-webchat', kind: 'webchat' } },
    queues: { support: { teams: ['support'], calendar: 'office' }, night: { teams: ['support'] } },
    calendars: { office: { timeZone: 'UTC', weekly: {}, overrides: { [day]: ['09:00-17:00'] } } },
  })
  const engine = await startEngineProcess(t, { config, databaseUrl: await freshDatabaseUrl(t) })
  const ada = await startAgent(t, engine)
  const post = async (path: string, body: object = {}): Promise<any> => {
    const response = await fetch(`${engine.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    })
    t.equal(response.status, 200, path)
    return response.json()
  }
  const visitor = await openChat(engine.url)
  const page = await visitor.listen(t)

  await visitor.say('Is anybody there?', { timeZone: 'Asia/Tokyo' })
  const held = await ada.event('the held item', (event) => event.t === 'work.held')
  t.match(held.d, { queue: 'support', reason: 'closed', until: `${day}T09:00:00.000Z`, channelKind: 'messaging' })
  const answer = await eventually('the automatic answer', () => page.got.find((message) => message.direction === 'out'))
  t.equal(answer.author.kind, 'system')
  t.match(textOf(answer), /6:00\sPM/, '09:00 in London is 18:00 in Tokyo')
  await visitor.say('Hello?')
  await ada.event('the second message', (event) => event.t === 'message.inbound' && event.d.text === 'Hello?')
  const [{ id }] = (await ada.get('/v1/conversations')).items
  t.notOk((await ada.get(`/v1/conversations/${id}`)).waitingSince === null, 'an automatic answer is no reply')
  t.match(
    (await ada.get('/v1/queues')).items.find((one: { queue: string }) => one.queue === 'support'),
    {
      held: 1,
      waiting: 0,
    },
  )

  await post('/v1/agents/ada/freeze', { reason: 'training' })
  await post('/v1/queues/support/drain', { to: 'night', reason: 'the night shift takes over' })
  await eventually('the visitor to see the place', () => page.places.some((place) => place?.position === 1))
  await post(`/v1/conversations/${id}/reorder`, { headStartS: 60, reason: 'waited long' })
  await post(`/v1/conversations/${id}/whisper`, { text: 'Be kind to this one' })
  await post('/v1/agents/ada/thaw')
  const offer = await ada.event('the offer', (event) => event.t === 'offer.created')
  await ada.command('offer.accept', { offerId: offer.d.offerId })
  await eventually('the visitor to see that the wait is over', () => page.places.at(-1) === null)
  await post(`/v1/conversations/${id}/barge`)
  await ada.command('message.send', { conversation: id, body: 'I am here.' })
  await eventually('the reply', () => page.got.some((message) => textOf(message) === 'I am here.'))
  const said = page.got.filter((message) => message.direction === 'out').map(textOf)
  t.equal(said.length, 2, 'one automatic answer, one reply; no whisper')
  const told = ada.events.map((event) => event.t)
  for (const type of ['agent.frozen', 'agent.thawed', 'queue.drained', 'work.reordered', 'conversation.barged']) {
    t.ok(told.includes(type), type)
  }
  t.match(
    ada.events.find((event) => event.t === 'note.added'),
    { d: { whisper: true } },
  )
})

import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, pending } from './harness.js'

test('R15: with the most e-mails in hand that an agent may have, a chat is offered and a further e-mail is not', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { perChannel: { email: 5 } })
  for (let n = 0; n < 5; n++) {
    const { conversation } = await enqueue(store, here, { kind: 'email' })
    await here.work.claim(conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
  }
  t.match(await load(store, 'a'), { active: 50, by_channel: { email: 5 } })
  const mail = await enqueue(store, here, { kind: 'email', agoS: 60 })
  const chat = await enqueue(store, here)
  await dispatch(here)
  t.match(
    (await pending(store)).map((offer) => offer.item_id),
    [chat.item],
    'the mail is passed over, though it came first and its units would fit',
  )
  t.match(await item(store, mail.item), { state: 'queued' })
  t.strictSame(await broken(store), [])
})

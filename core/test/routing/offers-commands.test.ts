import { test } from 'tap'
import type { Principal } from '../../src/agents/contract.js'
import { runCommand, type RunDeps } from '../../src/agents/run-command.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, load, node, pending } from './harness.js'

const ada: Principal = {
  agent: 'a',
  name: 'Ada',
  role: 'agent',
  teams: [],
  scopes: new Set(['work'] as const),
  session: { kind: 'session', id: 's' },
  rightsVersion: 1,
}

test('R39: an acceptance sent twice with one id is answered twice alike and happens once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const deps = { db: store.db, work: here.work, presence: here.presence } as unknown as RunDeps
  for (let round = 1; round <= 3; round++) {
    const { conversation } = await enqueue(store, here)
    await dispatch(here)
    const [offer] = await pending(store)
    const accept = () =>
      runCommand(deps, ada, {
        type: 'offer.accept',
        id: `click-${round}`,
        data: { offerId: offer?.id },
        ifVersion: undefined,
      })
    const both = await Promise.all([accept(), accept()])
    const retry = await accept()
    t.strictSame(
      [...both, retry].map((answer) => answer.data),
      [{ conversation }, { conversation }, { conversation }],
      'the double click, and the retry after it',
    )
    t.equal(here.events.filter((event) => event.type === 'offer.accepted').length, round, 'one event')
    t.match(await load(store, 'a'), { reserved: 0, active: 25 * round })
    await t.rejects(
      runCommand(deps, ada, {
        type: 'offer.accept',
        id: `other-${round}`,
        data: { offerId: offer?.id },
        ifVersion: undefined,
      }),
      { code: 'TL_OFFER_ALREADY_TAKEN' },
      'another command is another matter',
    )
  }
  t.strictSame(await broken(store), [])
})

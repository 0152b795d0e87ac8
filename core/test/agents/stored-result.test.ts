import { test } from 'tap'
import type { Principal } from '../../src/agents/contract.js'
import { commands, runCommand, type RunDeps } from '../../src/agents/run-command.js'
import { systemClock } from '../../src/clock.js'
import { createIdentity } from '../../src/identity/identity-service.js'
import { createIds } from '../../src/ids.js'
import { createWaivers } from '../../src/sla/waiver.js'
import { conversationWorld } from '../conversations/world.js'
import { Network, seed, startNode } from '../outbound/fixture.js'

const ada: Principal = {
  agent: 'ada',
  name: 'Ada',
  role: 'admin',
  teams: [],
  scopes: new Set(['conversations:read', 'conversations:write', 'identity:write', 'work', 'supervise'] as const),
  session: { kind: 'session', id: 's' },
  rightsVersion: 1,
}

test('the result of a command stands in the transaction of its effect: a crash right after it repeats nothing', async (t) => {
  const world = await conversationWorld(t)
  const { store, rows } = world
  const ids = createIds(systemClock)
  const { outbound } = startNode(t, store, { channels: { chat: { network: new Network(), down: true } } })
  // Whatever is written outside of the effect's transaction is lost, as with a process that died right after its commit.
  const db = store.db.withPlugin({
    transformQuery({ node }) {
      if (JSON.stringify(node).includes('insert into command_dedupe')) throw new Error('the process is dead')
      return node
    },
    transformResult: async ({ result }) => result,
  })
  const deps = {
    db,
    conversations: world.conversations,
    identity: createIdentity({ db: store.db, ids, events: world.pipe.sequencer }),
    outbound,
    work: world.routing.work,
    presence: world.routing.presence,
    supervision: world.routing.supervision,
    sla: createWaivers({ db: store.db, events: world.pipe.sequencer }),
    transact: (run: Parameters<RunDeps['transact']>[0]) => store.db.transaction().execute(run),
  } as unknown as RunDeps
  let count = 0
  const counted = async () =>
    rows(`select count(*)::int as n from (select 1 from outbox union all select 1 from event_log) e`)
  const seen = new Set<string>()
  /** Runs it, and again as a client does that got no answer; answers its data. */
  const twice = async (type: string, data: object): Promise<Record<string, unknown>> => {
    const call = { type, id: `c${++count}`, data, ifVersion: undefined }
    const first = await runCommand(deps, ada, call)
    const events = await counted()
    const second = await runCommand(deps, ada, call)
    t.equal(second.replayed, true, type)
    const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
    t.strictSame(wire(second.data), wire(first.data), `${type} is answered alike`)
    t.strictSame(await counted(), events, `${type} happened once`)
    seen.add(type)
    return first.data as Record<string, unknown>
  }

  const one = await world.says('chat', 'v1', 'hello')
  const two = await world.another(one, 'chat', 'v1', 'another thing')
  const other = await world.says('sms', 's1', 'hello')
  const contactOf = async (id: string) =>
    (await rows('select contact_id as id from conversation where id = $1', [id]))[0]!['id'] as string
  const [ann, bob] = [await contactOf(one), await contactOf(other)]

  const split = await world.says('chat', 'v1', 'one more')
  const [more] = await rows(`select id from message where conversation_id = $1 order by at desc limit 1`, [split])
  await twice('conversation.split', { conversation: split, messageIds: [more!['id']] })
  await twice('conversation.join', { conversation: two, into: one })
  await twice('conversation.tag', { conversation: one, tags: ['a'] })
  await twice('conversation.setPriority', { conversation: one, priority: 'high' })
  await twice('conversation.setStatus', { conversation: one, status: 'pending' })
  await twice('note.add', { conversation: one, text: 'a note' })
  await twice('conversation.whisper', { conversation: one, text: 'ask for the number' })

  const [clock] = await rows(
    `insert into sla_clock (id, conversation_id, metric, cycle, policy, policy_version, target_s, calendar, calendar_version,
       state, used_s, started_at, levels, fired, breached_at)
     values (gen_random_uuid(), $1, 'first_reply', 1, 'standard', '1', 60, 'always', 'always', 'breached', 60, now(), '{}',
       '{100%}', now())
     returning id`,
    [one],
  )
  await twice('sla.waive', { clock: clock!['id'], reason: 'the office had no power' })

  const { joinId } = await twice('identity.join', { from: bob, into: ann, reason: 'the same voice' })
  await twice('identity.undo', { joinId })
  const email = { kind: 'email', value: 'ann@example.com' }
  await twice('identity.link', { contact: ann, ...email, verified: true })
  await runCommand(deps, ada, {
    type: 'identity.link',
    id: 'taken',
    data: { contact: bob, ...email, verified: true },
    ifVersion: undefined,
  }).then(
    () => t.fail('somebody else holds it'),
    (error: { code?: string }) => t.equal(error.code, 'TL_COMMAND_CONFLICT'),
  )
  const [suggestion] = await rows(`select id from identity_suggestion where state = 'open'`)
  const confirmed = await twice('identity.confirm', { suggestionId: suggestion!['id'] })
  await twice('identity.undo', { joinId: confirmed['joinId'] })
  await twice('identity.reject', { suggestionId: suggestion!['id'] })
  const [identifier] = await rows(`select id from identifier where contact_id = $1 and kind = 'email'`, [ann])
  await twice('identity.unlink', { contact: ann, identifierId: identifier!['id'] })

  const where = await seed(store)
  const { messageId } = await twice('message.send', { conversation: where.conversation, body: 'kept' })
  await twice('message.cancel', { messageId })
  await rows(`update send set state = 'failed'`)
  await rows(`update message set state = 'failed' where id = $1`, [messageId])
  await twice('message.retry', { messageId })

  const untried = [...commands.values()]
    .filter(({ type, mutates }) => mutates && /^(identity|conversation|message|note)\./.test(type) && !seen.has(type))
    .map(({ type }) => type)
  t.strictSame(
    untried,
    ['conversation.claim', 'conversation.assign', 'conversation.monitor', 'conversation.barge'],
    'acts on work have tests of their own',
  )
})

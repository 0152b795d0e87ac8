import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, node, queue } from './harness.js'

test('a decision keeps who was asked and why the others were passed over', async (t) => {
  const store = await withDatabase(t)
  const part = node(store, { queues: [queue('support', { teams: ['support'], skills: { billing: 3 } })] })
  const teams = ['support']
  const skills = { billing: 3 }
  await agent(store, part, 'ann', { teams, skills })
  await agent(store, part, 'bob', { teams, skills, capacity: 10 })
  await agent(store, part, 'cem', { teams, skills: { billing: 2 } })
  await agent(store, part, 'dea', { teams, skills, status: 'away' })
  await agent(store, part, 'eve', { teams, skills, status: 'busy' })
  await agent(store, part, 'fay', { teams: ['sales'], skills })
  await agent(store, part, 'gus', { teams, skills })
  const item = await enqueue(store, part, { preferred: ['ann'] })
  await dispatch(part)
  const decisions = (await part.work.decisions(item.conversation)) as readonly any[]
  const { candidates, trigger } = decisions.find((one) => one.trigger === 'offer')
  t.equal(trigger, 'offer')
  t.equal(candidates.chosen, 'ann')
  const why = Object.fromEntries(candidates.passedOver.map((one: any) => [one.agent, one.why]))
  t.same(why, {
    bob: 'no_room',
    cem: 'not_qualified',
    dea: 'unavailable',
    eve: 'takes_no_such_work',
    gus: 'ranked_after',
  })
})

import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { Beats } from '../../src/routing/beats.js'

test('sessions that beat are renewed in one statement; those that fell silent run out', async (t) => {
  let now = 0
  const renewed: unknown[] = []
  const beats = new Beats({
    clock: { now: () => now },
    renew: async (list) => {
      renewed.push(list)
      return list.map((one) => one.id)
    },
    revive: async () => void t.fail('nothing to revive'),
    log: { warn: () => t.fail('no warning') },
  })
  const [loud, silent, gone] = [randomUUID(), randomUUID(), randomUUID()]
  for (const id of [loud, silent, gone]) beats.track(id, 'a')
  now = 29_000
  beats.beat(loud)
  beats.beat(randomUUID())
  beats.forget(gone)
  now = 31_000
  await beats.flush()
  t.strictSame(renewed, [[{ id: loud, agoMs: 2000 }]])
  beats.forget(loud)
  await beats.flush()
  t.equal(renewed.length, 1, 'without sessions nothing is written')
})

test('a node that was out of touch opens its sessions again; a failure to write is tried again', async (t) => {
  const revived: unknown[] = []
  const warnings: unknown[] = []
  let fail = true
  const beats = new Beats({
    clock: { now: () => 0 },
    renew: async () => {
      if (fail) throw Object.assign(new Error('x'), { code: '57P01' })
      return []
    },
    revive: async (session) => void revived.push(session),
    log: { warn: (fields) => void warnings.push(fields) },
  })
  const id = randomUUID()
  beats.track(id, 'a')
  await beats.flush()
  t.match(warnings, [{ code: '57P01' }])
  t.strictSame(revived, [])
  fail = false
  await beats.flush()
  t.strictSame(revived, [{ id, agent: 'a' }])
})

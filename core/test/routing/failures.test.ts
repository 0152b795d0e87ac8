import { test } from 'tap'
import type { NewEvent } from '../../src/events/contract.js'
import { createFailureReport } from '../../src/routing/failures.js'
import { withDatabase } from '../support/database.js'

test('a failure is an event and a log line, once a minute for each kind', async (t) => {
  const store = await withDatabase(t)
  const events: NewEvent[] = []
  const lines: string[] = []
  let now = 0
  let written = (): void => undefined
  const report = createFailureReport({
    db: store.db,
    clock: { now: () => now },
    events: { append: async (_trx, more) => void events.push(...more), poke: () => written() },
    log: { warn: (_fields, message) => void lines.push(message) },
  })
  const poked = new Promise<void>((resolve) => {
    written = resolve
  })
  report.rule({ file: 'routing', rule: 'vip', version: '1', message: 'the condition failed' })
  report.rule({ file: 'routing', rule: 'vip', version: '1', message: 'the condition failed' })
  await poked
  t.match(events, [{ type: 'rule.failed', data: { rule: 'vip', version: '1' } }])
  now = 61_000
  const again = new Promise<void>((resolve) => {
    written = resolve
  })
  report.plugin('p', 'route threw an error')
  await again
  t.match(events[1], { type: 'plugin.error', data: { instance: 'p' } })
  t.equal(lines.length, 2)
  t.equal(events.length, 2)
})

test('when the database is away the failure is logged all the same, and nothing throws', async (t) => {
  const lines: string[] = []
  let logged = (): void => undefined
  const done = new Promise<void>((resolve) => {
    logged = resolve
  })
  const report = createFailureReport({
    db: { transaction: () => ({ execute: () => Promise.reject(new Error('away')) }) } as never,
    clock: { now: () => 0 },
    events: { append: async () => undefined, poke: () => undefined },
    log: { warn: (_fields, message) => (lines.push(message) === 2 ? logged() : undefined) },
  })
  report.plugin('p', 'route threw an error')
  await done
  t.equal(lines.length, 2)
})

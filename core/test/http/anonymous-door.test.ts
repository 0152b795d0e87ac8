import { test } from 'tap'
import { createAnonymousDoor } from '../../src/http/anonymous-door.js'

const limits = { places: 2, inLine: 2, patienceMs: 50 }

test('so many of an address may be anonymous at once; the next stand in line and come in their order', async (t) => {
  const door = createAnonymousDoor({ ...limits, patienceMs: 60_000 })
  const [first, second] = [await door.enter('a'), await door.enter('a')]
  const order: string[] = []
  const third = door.enter('a').then((leave) => (order.push('third'), leave))
  const fourth = door.enter('a').then((leave) => (order.push('fourth'), leave))
  t.equal(await door.enter('a'), null, 'the line is full')
  t.type(await door.enter('b'), 'function', 'another address has places of its own')
  t.same(order, [])
  second?.()
  await third
  first?.()
  await fourth
  t.same(order, ['third', 'fourth'])
})

test('who leaves twice gives up one place only', async (t) => {
  const door = createAnonymousDoor(limits)
  const [first] = [await door.enter('a'), await door.enter('a')]
  first?.()
  first?.()
  t.type(await door.enter('a'), 'function')
  t.equal(await door.enter('a'), null, 'both are taken again')
})

test('who waits too long is sent away and takes no place with them', async (t) => {
  const door = createAnonymousDoor(limits)
  const places = [await door.enter('a'), await door.enter('a')]
  t.equal(await door.enter('a'), null)
  for (const leave of places) leave?.()
  t.type(await door.enter('a'), 'function')
  t.type(await door.enter('a'), 'function')
})

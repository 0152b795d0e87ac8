import { PluginError, type Bus, type Hint } from '@throughline/plugin-sdk'
import { test } from 'tap'
import { BusWire } from '../../src/events/bus-wire.js'
import type { Instance, InstanceState, InstanceStatus, PluginHost } from '../../src/plugins/contract.js'
import { silent } from '../support/pipeline.js'

interface FakeBus extends Bus {
  readonly said: Hint[]
  readonly receivers: Set<(hint: Hint) => void>
}

function fakeBus(publish: (hint: Hint) => Promise<void> = () => Promise.resolve()): FakeBus {
  const said: Hint[] = []
  const receivers = new Set<(hint: Hint) => void>()
  return {
    said,
    receivers,
    publish(hint) {
      said.push(hint)
      return publish(hint)
    },
    subscribe(receive) {
      receivers.add(receive)
      return () => receivers.delete(receive)
    },
  }
}

function world(first: FakeBus | null) {
  let live: FakeBus | null = first
  let changed: (status: InstanceStatus, previous: InstanceState) => void = () => undefined
  const status = () => ({ id: 'bus', state: live === null ? 'failed' : 'running' }) as InstanceStatus
  const bus = {
    id: 'bus',
    use: 'fake',
    status,
    get live() {
      return live
    },
    call: (_operation: string, _ms: number, run: (bus: Bus, signal: AbortSignal) => unknown) =>
      Promise.resolve().then(() => run(live!, new AbortController().signal)),
  } as unknown as Instance<Bus>
  const host: Pick<PluginHost, 'bus' | 'onChange'> = {
    bus: () => bus,
    onChange(listener) {
      changed = listener
      return () => (changed = () => undefined)
    },
  }
  const events: number[] = []
  const ephemeral: string[] = []
  const wire = new BusWire(
    { node: 'me', log: silent, host: () => host },
    { events: (position) => events.push(position), ephemeral: (payload) => ephemeral.push(payload) },
  )
  wire.follow()
  return {
    wire,
    events,
    ephemeral,
    become(next: FakeBus | null) {
      live = next
      changed(status(), 'running')
    },
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a burst of moves is one hint in flight and one after it', async (t) => {
  let release = (): void => undefined
  const bus = fakeBus(() => new Promise((resolve) => (release = resolve)))
  const { wire } = world(bus)
  for (let i = 0; i < 1000; i++) wire.moved()
  await turns()
  t.equal(bus.said.length, 1)
  release()
  await turns()
  t.equal(bus.said.length, 2)
  release()
  await turns()
  t.equal(bus.said.length, 2)
  t.same(bus.said[0], { topic: 'events', node: 'me' })
})

test('each life of the bus is subscribed to once, and its coming is a reason to look', async (t) => {
  const first = fakeBus()
  const { wire, events, become } = world(null)
  t.equal(wire.connected, false)
  wire.moved()
  wire.publish('{}')
  become(first)
  become(first)
  await turns()
  t.equal(first.receivers.size, 1)
  t.same(events, [Infinity])
  become(null)
  t.equal(first.receivers.size, 0, 'the dead one is left')
  const second = fakeBus()
  become(second)
  await turns()
  t.equal(second.receivers.size, 1)
  t.same(events, [Infinity, Infinity])
  await wire.stop()
  t.equal(second.receivers.size, 0)
})

test('what comes from the bus never does more than make somebody look', async (t) => {
  const bus = fakeBus()
  const { events, ephemeral } = world(bus)
  await turns()
  events.length = 0
  const say = (hint: unknown) => bus.receivers.forEach((receive) => receive(hint as Hint))
  for (const forged of [null, 7, 'events', [], {}, { topic: 'jobs', node: 'x' }, { topic: 'ephemeral', node: 'x' }]) {
    say(forged)
  }
  say({ topic: 'ephemeral', node: 'x', data: 'y'.repeat(5000) })
  say({ topic: 'events', node: 'me' })
  t.same([events, ephemeral], [[], []])
  say({ topic: 'events', node: 'x', position: '12' })
  say({ topic: 'events', node: 'x', position: '-1; drop' })
  say({ topic: 'events', node: 'x' })
  say({ topic: '*', node: '' })
  say({ topic: 'ephemeral', node: 'x', data: '{"n":"x"}' })
  t.same(events, [12, Infinity, Infinity, Infinity])
  t.same(ephemeral, ['{"n":"x"}'])
})

test('a bus that refuses or hangs holds nobody up, and ephemeral messages are bounded', async (t) => {
  const refusing = fakeBus(() => Promise.reject(new PluginError('retryable', 'away')))
  const one = world(refusing)
  for (let i = 0; i < 3; i++) {
    one.wire.moved()
    one.wire.publish('{"i":1}')
    await turns()
  }
  t.equal(refusing.said.length, 6)
  const hanging = fakeBus(() => new Promise(() => undefined))
  const two = world(hanging)
  for (let i = 0; i < 500; i++) two.wire.publish('{"i":1}')
  await turns()
  t.equal(hanging.said.length, 64)
  const long = fakeBus()
  world(long).wire.publish('"'.repeat(1000))
  await turns()
  t.same(long.said, [], 'over 1 kB with its envelope')
})

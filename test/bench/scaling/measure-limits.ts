import { fork, type ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { signIn, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { coreBench } from '../core.js'
import { query } from '../database.js'
import { prepareLoad, startEngine } from '../engine.js'
import { usage, type Scope } from '../scope.js'
import type { Measured } from './measured.js'

const REST_MS = 20_000
/** After so long in which little happens V8 has given back what it does not need. */
const SETTLE_MS = 75_000
const FRAMED = 300
const HUNDRED = 100

interface Clients {
  readonly child: ChildProcess
  heard(): Promise<unknown>
}

/** Agents' sockets on one node: memory and CPU of a socket at rest, CPU of a frame. */
export async function measureSockets(
  scope: Scope,
  url: string,
  sockets: number,
  inboundMs: number,
): Promise<Pick<Measured, 'socketKb' | 'socketMsPerS' | 'frameMs'>> {
  const engine = await startEngine(scope, url)
  const { token } = await signIn(engine.url, { code: engine.signInCode })
  const restMs = async (): Promise<number> => {
    const before = await usage(engine.pid)
    await delay(REST_MS)
    return (((await usage(engine.pid)).cpuS - before.cpuS) * 1000) / (REST_MS / 1000)
  }
  // Tickets do not live long: a hundred sockets at a time, each hundred in a process of its own.
  const open = async (): Promise<Clients> => {
    const tickets: string[] = []
    while (tickets.length < HUNDRED) tickets.push(await ticketFrom(engine.url, token))
    const child = fork(new URL('../b4-clients.js', import.meta.url), [
      String(engine.port),
      '/v1/agent/ws',
      'agent.v1.json',
    ])
    scope.teardown(() => child.kill())
    const clients = { child, heard: () => new Promise((resolve) => child.once('message', resolve)) }
    const ready = clients.heard()
    child.send({ tickets })
    await ready
    return clients
  }
  // The first ones warm up what all of them share.
  const all = [await open()]
  await delay(SETTLE_MS)
  const bare = await restMs()
  const bareMb = (await usage(engine.pid)).rssMb
  while (all.length <= sockets / HUNDRED) all.push(await open())
  await delay(SETTLE_MS)
  const full = await restMs()
  const { rssMb } = await usage(engine.pid)
  const run = await prepareLoad(engine, { first: 0, count: FRAMED, senders: 50, connections: 16 })
  const told = all.map(async ({ child, heard }) => {
    const counting = heard()
    child.send({ count: FRAMED })
    await counting
  })
  await Promise.all(told)
  const before = await usage(engine.pid)
  const done = all.map(({ heard }) => heard())
  run.go()
  await Promise.all(done)
  const frames = (((await usage(engine.pid)).cpuS - before.cpuS) * 1000) / FRAMED
  await engine.term()
  return {
    socketKb: ((rssMb - bareMb) * 1024) / sockets,
    socketMsPerS: Math.max(0, full - bare) / sockets,
    frameMs: Math.max(0, frames - inboundMs) / (all.length * HUNDRED),
  }
}

/**
 * The one place where all nodes stand in line: events a second that get positions when the sequencer keeps up, and when it has
 * fallen behind by so many.
 */
export async function measureSequencer(url: string, backlog: number): Promise<Measured['sequencedPerS']> {
  const { timeSequencer } = await coreBench<{
    timeSequencer(url: string, backlog: number): Promise<Measured['sequencedPerS']>
  }>('sequencing')
  return timeSequencer(url, backlog)
}

/** Committed NOTIFYs a second by eight connections, while so many others listen. */
export async function measureNotify(url: string, listeners: number, ms: number): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: listeners + 8 }, async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      return client
    }),
  )
  const listening = clients.slice(8)
  await Promise.all(listening.map((client) => client.query('listen throughline_bench')))
  const until = performance.now() + ms
  let sent = 0
  await Promise.all(
    clients.slice(0, 8).map(async (client) => {
      while (performance.now() < until) {
        await client.query({ name: 'n', text: `select pg_notify('throughline_bench', $1)`, values: [String(sent)] })
        sent += 1
      }
    }),
  )
  await Promise.all(clients.map((client) => client.end()))
  return (sent * 1000) / ms
}

/** What a network's random ids cost in a unique index, once it has been filled in no order. */
export async function measureRandomIds(url: string, rows: number): Promise<number> {
  await query(
    url,
    `drop table if exists scaling_probe; create table scaling_probe (channel text not null, external_id text not null);
     create unique index scaling_probe_id on scaling_probe (channel, external_id);
     insert into scaling_probe select 'whatsapp-sales', 'wamid.' || encode(sha224(n::text::bytea), 'base64') from generate_series(1, ${rows}) n`,
  )
  const [row] = await query(url, `select pg_relation_size('scaling_probe_id')::float8 as bytes`)
  await query(url, 'drop table scaling_probe')
  return Number(row?.['bytes']) / rows
}

export async function measureSweep(url: string): Promise<Measured['sweep']> {
  const { timeRetention } = await coreBench<{ timeRetention(url: string): Promise<Measured['sweep']> }>('retention')
  return timeRetention(url)
}

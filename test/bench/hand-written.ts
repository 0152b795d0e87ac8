import { setTimeout as delay } from 'node:timers/promises'
import { spawn, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import pg from 'pg'
import { query } from './database.js'

/**
 * The other side of B1: the smallest transaction a message needs, written by hand: inbox, conversation, message, event.
 * pgbench runs it with 16 clients; where pgbench is not installed, 16 connections of this process do.
 */
const schema = `
  drop schema if exists bench cascade;
  create schema bench;
  create table bench.conversation (contact int primary key, last_message_at timestamptz, version int not null default 0);
  create table bench.inbox (id bigint generated always as identity primary key, external_id text not null unique, body text);
  create table bench.message (id bigint generated always as identity primary key, contact int not null, text text, at timestamptz);
  create index on bench.message (contact, at);
  create table bench.event (position bigint generated always as identity primary key, type text, data text);
  insert into bench.conversation (contact) select generate_series(1, 1000);`

const text = 'Where is my order? It should have been here on Tuesday.'

const script = `
\\set contact random(1, 1000)
begin;
insert into bench.inbox (external_id, body) values (gen_random_uuid()::text, '${text}');
update bench.conversation set last_message_at = now(), version = version + 1 where contact = :contact;
insert into bench.message (contact, text, at) values (:contact, '${text}', now());
insert into bench.event (type, data) values ('message.inbound', '${text}');
commit;
`

export interface HandWritten {
  readonly tool: 'pgbench' | 'node'
  /** Transactions a second over `seconds` with 16 clients. */
  run(seconds: number): Promise<number>
}

export async function handWritten(url: string): Promise<HandWritten> {
  await query(url, schema)
  const found = spawnSync('pgbench', ['--version']).status === 0
  return found
    ? { tool: 'pgbench', run: (seconds) => byPgbench(url, seconds) }
    : { tool: 'node', run: (seconds) => byNode(url, seconds) }
}

async function byPgbench(url: string, seconds: number): Promise<number> {
  const file = join(tmpdir(), `throughline-bench-${process.pid}.sql`)
  await writeFile(file, script)
  const args = ['-n', '-M', 'prepared', '-c', '16', '-j', '2', '-T', String(seconds), '-f', file, url]
  const child = spawn('pgbench', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  const tps = /tps = ([\d.]+)/.exec(out)?.[1]
  if (tps === undefined) throw new Error(`pgbench said:\n${out}`)
  return Number(tps)
}

async function byNode(url: string, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000
  let done = 0
  const one = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const run = (name: string, sql: string, values: unknown[] = []) => client.query({ name, text: sql, values })
    while (performance.now() < until) {
      const contact = 1 + Math.floor(Math.random() * 1000)
      await client.query('begin')
      await run('i', 'insert into bench.inbox (external_id, body) values (gen_random_uuid()::text, $1)', [text])
      await run(
        'c',
        'update bench.conversation set last_message_at = now(), version = version + 1 where contact = $1',
        [contact],
      )
      await run('m', 'insert into bench.message (contact, text, at) values ($1, $2, now())', [contact, text])
      await run('e', "insert into bench.event (type, data) values ('message.inbound', $1)", [text])
      await client.query('commit')
      done += 1
    }
    await client.end()
  }
  await Promise.all(Array.from({ length: 16 }, one))
  return done / seconds
}

/**
 * Milliseconds of durable commits from one connection: the yardstick of B2. `pauseMs` lies between two of them; without it they
 * follow each other at once, on a processor that is awake.
 */
export async function commitMs(url: string, times: number, pauseMs = 0): Promise<number[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    if (pauseMs > 0) await delay(pauseMs)
    const from = performance.now()
    await client.query({ name: 'one', text: "insert into bench.event (type, data) values ('one', $1)", values: [text] })
    taken.push(performance.now() - from)
  }
  await client.end()
  return taken
}

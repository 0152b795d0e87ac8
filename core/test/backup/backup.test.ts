import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { createBackup } from '../../src/backup/backup.js'
import { storedFile } from '../../src/backup/file-path.js'
import { restoreBackup } from '../../src/backup/restore.js'
import { verifyBackup } from '../../src/backup/verify.js'
import { systemClock } from '../../src/clock.js'
import { Sequencer } from '../../src/events/sequencer.js'
import { createHeldSends } from '../../src/outbound/held.js'
import { createFileRows } from '../../src/plugins/file-store.js'
import { createFiles } from '../../src/plugins/files.js'
import { openStore, type Store } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase, withEmptyDatabase } from '../support/database.js'
import { message, pipeline } from '../support/pipeline.js'

/** Rows that a restore changes on purpose. */
const settled = new Set(['installation', 'node', 'lease', 'shard', 'kysely_migration', 'kysely_migration_lock'])

async function tableNames(store: Store): Promise<string[]> {
  const { rows } = await store.pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  )
  return rows.map((row) => row.name)
}

/** Every table as a hash over its rows as text. */
async function fingerprint(store: Store): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of await tableNames(store)) {
    if (settled.has(name)) continue
    const { rows } = await store.pool.query<{ hash: string }>(
      `select count(*) || ':' || coalesce(md5(string_agg(t::text, E'\\n' order by t::text)), '') as hash from ${name} t`,
    )
    found[name] = rows[0]!.hash
  }
  return found
}

interface World {
  readonly store: Store
  readonly filesDir: string
  readonly dir: string
  readonly key: string
}

/** A database with contacts, conversations, events, accounts, and one attachment on the disk. */
async function world(t: Test): Promise<World> {
  const store = await withDatabase(t)
  const dir = await mkdtemp(join(tmpdir(), 'throughline-backup-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const filesDir = join(dir, 'files')
  const pipe = await pipeline(store)
  for (let i = 0; i < 30; i++) {
    await pipe.accept('api', [message(`person-${i % 7}`, `line\tone\nline "two" \\N ${i} \u{1f642} \u00e9`)])
  }
  await pipe.drained()
  await pipe.stop()
  const files = createFiles({
    rows: createFileRows(store.db),
    dir: filesDir,
    maxBytes: 10_000_000,
    rootKey: Buffer.alloc(32),
    publicUrl: 'http://localhost',
    clock: systemClock,
  })
  const { key } = await files.put(Buffer.from('the attachment'), { name: 'a.txt', mime: 'text/plain' })
  await store.pool.query(
    `insert into agent (id, name, email, role, skills) values ('ada', 'Ada', 'ada@example.org', 'admin', '{"x": 3}')`,
  )
  await store.pool.query(
    `insert into plugin_state (instance, key, value) values ('api', 'cursor', '{"at": [1, null]}')`,
  )
  await store.pool.query(
    `insert into api_token (id, name, role, token_hash) values (gen_random_uuid(), 'x', 'admin', '\\x00ff5c')`,
  )
  // One that points at another row of its own table.
  await store.pool.query(
    `update contact set joined_into = (select max(id::text)::uuid from contact) where id = (select min(id::text)::uuid from contact)`,
  )
  return { store, filesDir, dir, key }
}

const backupOf = (from: World, file = join(from.dir, 'backup.tar.gz')) =>
  createBackup({ url: from.store.url, filesDir: from.filesDir, file, release: '0.1.0', log: silentLog }).then(
    () => file,
  )

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )

test('every table, every sequence and every attachment come back equal, into an empty database', async (t) => {
  const from = await world(t)
  t.equal(await readFile(storedFile(from.filesDir, from.key), 'utf8'), 'the attachment', 'files lie where we look')
  const before = await fingerprint(from.store)
  const file = await backupOf(from)
  t.equal((await stat(file)).mode & 0o077, 0, 'nobody but the owner reads it')
  const noted = await verifyBackup(file)
  t.equal(noted.files.count, 1)
  t.ok(noted.tables.filter((table) => table.rows > 0).length > 12, 'many tables have rows')

  const url = await withEmptyDatabase(t)
  const filesDir = join(from.dir, 'restored')
  const { epoch } = await restoreBackup({ url, filesDir, file, replace: false, log: silentLog })
  const to = await openStore({ url, dataDir: '', log: silentLog })
  t.teardown(() => to.close())
  t.same(await fingerprint(to), before)
  t.same(await tableNames(to), await tableNames(from.store))
  t.equal(await readFile(storedFile(filesDir, from.key), 'utf8'), 'the attachment')

  const sequences = `select sequencename, last_value from pg_sequences where schemaname = 'public' order by 1`
  t.same((await to.pool.query(sequences)).rows, (await from.store.pool.query(sequences)).rows)
  const key = 'select root_key, shards from installation'
  t.same((await to.pool.query(key)).rows, (await from.store.pool.query(key)).rows, 'links and tokens stay valid')
  t.not(epoch, noted.epoch, 'a new epoch: every client starts over')
  t.equal((await to.pool.query<{ epoch: string }>('select epoch from installation')).rows[0]!.epoch, epoch)
})

test('answers that were on their way are held by a restore, each told once, until they are released in their order', async (t) => {
  const from = await world(t)
  const { rows: at } = await from.store.pool.query<{ conversation: string; touchpoint: string; thread: string }>(
    `select conversation_id as conversation, id as touchpoint, thread from touchpoint order by id limit 1`,
  )
  const { conversation, touchpoint, thread } = at[0]!
  const parts: readonly [string, readonly string[]][] = [
    ['sending', ['sent', 'sending', 'queued']],
    ['queued', ['queued']],
    ['sent', ['sent']],
    ['failed', ['failed', 'cancelled']],
  ]
  const ids = parts.map(() => randomUUID())
  for (const [i, [state, sends]] of parts.entries()) {
    await from.store.pool.query(
      `insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, text, parts, provider_at, state)
       values ($1, $2, $3, 'api', 'out', 'agent', 'x', '[]', now(), $4)`,
      [ids[i], conversation, touchpoint, state],
    )
    for (const each of sends) {
      await from.store.pool.query(
        `insert into send (id, message_id, conversation_id, touchpoint_id, channel, thread, part, state, claim_token, lease_until)
         values (gen_random_uuid(), $1, $2, $3, 'api', $4, '{}', $5::text,
           case when $5 = 'sending' then gen_random_uuid() end, case when $5 = 'sending' then now() end)`,
        [ids[i], conversation, touchpoint, thread, each],
      )
    }
  }
  const keys = 'select id from send order by seq'
  const before = (await from.store.pool.query(keys)).rows
  const url = await withEmptyDatabase(t)
  const file = await backupOf(from)
  const { held } = await restoreBackup({ url, filesDir: join(from.dir, 'r'), file, replace: false, log: silentLog })
  t.equal(held, 2)
  const to = await openStore({ url, dataDir: '', log: silentLog })
  t.teardown(() => to.close())
  const states = async () =>
    Promise.all(
      ids.map(async (id) => {
        const { rows } = await to.pool.query<{ states: string[] }>(
          `select (select state from message where id = $1) || array_agg(state order by seq) as states from send where message_id = $1`,
          [id],
        )
        return rows[0]!.states.join(' ')
      }),
    )
  const stay = ['sent sent', 'failed failed cancelled']
  t.same(await states(), ['unknown sent unknown unknown', 'unknown unknown', ...stay])
  const { rows: told } = await to.pool.query(
    `select data ->> 'messageId' as id, data ->> 'code' as code from outbox where type = 'message.unknown'`,
  )
  t.same(new Set(told.map((row: { id: string }) => row.id)), new Set(ids.slice(0, 2)))
  t.match(told, [{ code: 'restored' }, { code: 'restored' }])

  const jobs: unknown[] = []
  const sends = createHeldSends({
    db: to.db,
    ids: randomUUID,
    events: new Sequencer({ db: to.db, log: silentLog, moved: () => undefined }),
    jobs: { add: async (_, added) => void jobs.push(...added) },
  })
  t.match(await sends.list(), [{ channel: 'api', messages: 2 }])
  t.equal(await sends.release('another'), 0)
  t.equal(await sends.release('api'), 2)
  t.same(await states(), ['sending sent queued queued', 'queued queued', ...stay])
  t.match(jobs, [{ task: 'deliver', payload: { channel: 'api' } }, {}])
  t.same(await sends.list(), [])
  t.equal(await sends.release(null), 0, 'once')
  const after = (await to.pool.query(keys)).rows.map((row: { id: string }) => row.id)
  t.same(
    after.slice(-3),
    before.slice(1, 4).map((row: { id: string }) => row.id),
    'under their keys, in their order',
  )
})

test('the backup is one moment, however much is written meanwhile', async (t) => {
  const from = await world(t)
  const pipe = await pipeline(from.store)
  let writing = true
  const writer = (async () => {
    while (writing) await pipe.accept('api', [message('busy', 'more')])
  })()
  const file = await backupOf(from)
  writing = false
  await writer
  await pipe.drained()
  await pipe.stop()
  const url = await withEmptyDatabase(t)
  await restoreBackup({ url, filesDir: join(from.dir, 'restored'), file, replace: false, log: silentLog })
  const to = await openStore({ url, dataDir: '', log: silentLog })
  t.teardown(() => to.close())
  const torn = await to.pool.query(`
    select 'an event without its message' from event_log e
      where e.type = 'message.inbound' and not exists (select 1 from message m where m.id = (e.data ->> 'messageId')::uuid)
    union all select 'done without a message' from inbox i
      where i.state = 'done' and not exists (select 1 from message m where m.external_id = i.external_id)
    union all select 'the head is not the last position' from event_head h
      where h.position <> (select max(position) from event_log)`)
  t.same(torn.rows, [])
  // What the snapshot cut in the middle goes on where it was.
  const again = await pipeline(to)
  await again.accept('api', [message('after', 'the restore')])
  again.drain.wake([0, 1, 2, 3])
  await again.drained()
  await again.stop()
  const { rows } = await to.pool.query(`select 1 from message where text = 'the restore'`)
  t.equal(rows.length, 1)
})

test('a damaged, truncated or foreign file is refused, and nothing changes', async (t) => {
  const from = await world(t)
  const file = await backupOf(from)
  const whole = await readFile(file)
  const tar = gunzipSync(whole)
  const at = tar.indexOf('line\\tone')
  t.ok(at > 0)
  const flipped = Buffer.from(tar)
  flipped[at] = 'L'.charCodeAt(0)
  const damaged: Record<string, Buffer> = {
    'a byte flipped in the packed file': Buffer.from(whole).fill(0xff, whole.length >> 1, (whole.length >> 1) + 1),
    'a letter changed and packed again': gzipSync(flipped),
    'cut in half': whole.subarray(0, whole.length >> 1),
    'cut at its last byte': whole.subarray(0, whole.length - 9),
    'the end of the tar missing': gzipSync(tar.subarray(0, tar.lastIndexOf('manifest.json'))),
    'no archive at all': Buffer.from('something else'),
    empty: Buffer.alloc(0),
  }
  const url = await withEmptyDatabase(t)
  for (const [what, bytes] of Object.entries(damaged)) {
    const path = join(from.dir, `${randomUUID()}.tar.gz`)
    await writeFile(path, bytes)
    const code = await codeOf(
      restoreBackup({ url, filesDir: join(from.dir, 'none'), file: path, replace: true, log: silentLog }),
    )
    t.equal(code, 'TL_BACKUP_CORRUPT', what)
  }
  const to = await openStore({ url, dataDir: '', log: silentLog })
  t.teardown(() => to.close())
  t.same(await tableNames(to), [])
  t.notOk(existsSync(join(from.dir, 'none')))
  const missing = restoreBackup({ url, filesDir: from.dir, file: join(from.dir, 'no'), replace: true, log: silentLog })
  t.equal(await codeOf(missing), 'TL_BACKUP_FILE')
})

test('a backup of a newer schema or format is refused by its release', async (t) => {
  const from = await world(t)
  await from.store.pool.query(`insert into kysely_migration (name, timestamp) values ('9999_later', '')`)
  const file = await backupOf(from)
  const url = await withEmptyDatabase(t)
  const restore = { url, filesDir: join(from.dir, 'none'), replace: true, log: silentLog }
  const refused = restoreBackup({ ...restore, file })
  t.equal(await codeOf(refused), 'TL_BACKUP_NEWER')
  await t.rejects(refused, /9999_later/)
  const text = gunzipSync(await readFile(file)).toString('latin1')
  const later = join(from.dir, 'later.tar.gz')
  await writeFile(later, gzipSync(Buffer.from(text.replace('"format": 1,', '"format": 7,'), 'latin1')))
  t.equal(await codeOf(restoreBackup({ ...restore, file: later })), 'TL_BACKUP_NEWER')
})

test('a used database is replaced only when told to, a foreign one never, and none under a running engine', async (t) => {
  const from = await world(t)
  const file = await backupOf(from)
  const target = await world(t)
  const restore = { url: target.store.url, filesDir: target.filesDir, file, log: silentLog }
  const before = await fingerprint(target.store)
  t.equal(await codeOf(restoreBackup({ ...restore, replace: false })), 'TL_BACKUP_TARGET')

  await target.store.pool.query(
    `insert into node (id, host, roles, release) values (gen_random_uuid(), 'desk-7', '{web}', '0.1.0')`,
  )
  const running = restoreBackup({ ...restore, replace: true })
  t.equal(await codeOf(running), 'TL_BACKUP_ENGINE_RUNS')
  await t.rejects(running, /desk-7/)
  t.same(await fingerprint(target.store), before, 'nothing was changed')

  await target.store.pool.query('update node set stopped_at = now()')
  await target.store.pool.query('create view seen_by_a_report as select * from contact')
  await restoreBackup({ ...restore, replace: true })
  t.same(await fingerprint(target.store), await fingerprint(from.store))

  const url = await withEmptyDatabase(t)
  const foreign = await openStore({ url, dataDir: '', log: silentLog })
  t.teardown(() => foreign.close())
  await foreign.pool.query('create table orders (id int)')
  t.equal(await codeOf(restoreBackup({ ...restore, url, replace: true })), 'TL_BACKUP_TARGET')
  t.same(await tableNames(foreign), ['orders'])
})

test('a database that was only migrated is empty, unless an engine has begun to work on it', async (t) => {
  const from = await world(t)
  const file = await backupOf(from)
  const fresh = await withDatabase(t)
  const restore = { url: fresh.url, filesDir: join(from.dir, 'other'), file, log: silentLog, replace: false }
  await fresh.pool.query(
    `insert into node (id, host, roles, release) values (gen_random_uuid(), 'desk-7', '{web}', '0.1.0')`,
  )
  await fresh.pool.query(`insert into webhook_endpoint (id, url_digest, position) values ('crm', 'x', 0)`)
  t.equal(await codeOf(restoreBackup(restore)), 'TL_BACKUP_ENGINE_RUNS')
  await fresh.pool.query('update node set stopped_at = now()')
  await restoreBackup(restore)
  t.same(await fingerprint(fresh), await fingerprint(from.store))
})

test('a restore that fails half way leaves the database as it was', async (t) => {
  const from = await world(t)
  const file = await backupOf(from)
  const target = await world(t)
  const before = await fingerprint(target.store)
  // The place of the attachment is taken by a folder that cannot be one: the failure comes after the rows.
  const blocked = join(target.dir, 'blocked')
  await mkdir(blocked)
  await writeFile(join(blocked, from.key.slice(0, 2)), 'in the way')
  await t.rejects(
    restoreBackup({ url: target.store.url, filesDir: blocked, file, replace: true, log: silentLog }),
    /ENOTDIR|EEXIST/,
  )
  t.same(await fingerprint(target.store), before)
})

test('an existing file is not overwritten, and a failed backup leaves none behind', async (t) => {
  const from = await world(t)
  const file = await backupOf(from)
  const bytes = await readFile(file)
  t.equal(await codeOf(backupOf(from, file)), 'TL_BACKUP_FILE')
  t.ok(bytes.equals(await readFile(file)))
  t.equal(await codeOf(backupOf(from, join(from.dir, 'no', 'such', 'folder.tar.gz'))), 'TL_BACKUP_FILE')

  await from.store.pool.query('alter table installation rename to something')
  const failed = join(from.dir, 'failed.tar.gz')
  t.not(await codeOf(backupOf(from, failed)), 'no error')
  t.notOk(existsSync(failed))
  t.notOk(existsSync(`${failed}.partial`))
})

test('an attachment that this machine does not have is named, and the rest is kept', async (t) => {
  const from = await world(t)
  const key = createHash('sha256').update('elsewhere').digest('hex')
  await createFileRows(from.store.db).add({ key, size: 9, mime: 'text/plain', name: null })
  const file = await backupOf(from)
  const { files } = await verifyBackup(file)
  t.same(files.missing, [key])
  t.equal(files.count, 1)
})

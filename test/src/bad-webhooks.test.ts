import { connect } from 'node:net'
import tap, { test, type Test } from 'tap'
import { throughline } from './support/cli.js'
import { startEngineProcess, type EngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { rowsOf, undone } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { fakeGraph, fakeProvider, whatsAppText } from './support/providers.js'
import { rawRequest, type RawAnswer } from './support/raw-http.js'
import { signMeta, signStandard, type Headers } from './support/signatures.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(180_000)

const apiSecret = 'the-secret-of-the-api-channel'
const otherSecret = 'the-secret-of-another-channel'
const metaSecret = 'the-app-secret-of-meta'
const phoneNumberId = '4711'
const bodyLimit = 1024 * 1024
/** Stands in every text sent: it must not show up in the log. */
const canary = 'canary-4c1d'

/** What has to become of a body: refused and not stored; parked with its raw bytes; in the timeline. */
type Fate =
  | { readonly refused: 401 }
  | { readonly parked: string | RegExp }
  | { readonly applied: Readonly<Record<string, string | RegExp>> }

interface Case {
  readonly name: string
  readonly channel?: 'api' | 'whatsapp'
  readonly body: string | Buffer
  /** Absent: signed as the channel wants it. */
  readonly headers?: (body: Buffer) => Readonly<Record<string, string | readonly string[]>>
  readonly fate: Fate
}

let counter = 0
const nextId = (): string => `bad-${++counter}`

/** A body of channel-http with one message; `more` is put into the event as text. */
function message(id: string, text: string, more = ''): string {
  return `{"events":[{"id":"${id}","type":"message","thread":{"id":"room-${id}"},"sender":{"id":"user-${id}"},"text":"${canary} ${text}"${more}}]}`
}

const good = (text: string, more = ''): { readonly body: string; readonly fate: Fate } => {
  const id = nextId()
  return { body: message(id, text, more), fate: { applied: { [id]: new RegExp(`^${canary} `) } } }
}

const json = { 'content-type': 'application/json' }
const signedApi = (body: Buffer | string): Headers => ({ ...json, ...signStandard(body, apiSecret) })
const signedMeta = (body: Buffer | string): Headers => ({ ...json, ...signMeta(body, metaSecret) })
const whatsApp = (id: string, text: string): string =>
  JSON.stringify(whatsAppText({ phoneNumberId, from: '4915155599', id, text: `${canary} ${text}` }))
const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

const signatures: readonly Case[] = [
  {
    name: 'a wrong signature',
    body: message('no', 'x'),
    headers: () => ({ ...signedApi('something else') }),
    fate: { refused: 401 },
  },
  { name: 'no signature', body: message('no', 'x'), headers: () => json, fate: { refused: 401 } },
  {
    name: 'an empty signature',
    body: message('no', 'x'),
    headers: (body) => ({ ...signedApi(body), 'webhook-signature': '' }),
    fate: { refused: 401 },
  },
  {
    name: 'the secret of another channel',
    body: message('no', 'x'),
    headers: (body) => ({ ...json, ...signStandard(body, otherSecret) }),
    fate: { refused: 401 },
  },
  {
    name: 'a time stamp of ten minutes ago',
    body: message('no', 'x'),
    headers: (body) => ({ ...json, ...signStandard(body, apiSecret, Date.now() - 600_000) }),
    fate: { refused: 401 },
  },
  {
    name: 'a time stamp ten minutes ahead',
    body: message('no', 'x'),
    headers: (body) => ({ ...json, ...signStandard(body, apiSecret, Date.now() + 600_000) }),
    fate: { refused: 401 },
  },
  {
    name: 'a time stamp in milliseconds',
    body: message('no', 'x'),
    headers: (body) => ({ ...json, ...signStandard(body, apiSecret, Date.now() * 1000) }),
    fate: { refused: 401 },
  },
  {
    name: 'a time stamp that is no number',
    body: message('no', 'x'),
    headers: (body) => ({ ...signedApi(body), 'webhook-timestamp': 'NaN' }),
    fate: { refused: 401 },
  },
  {
    name: 'two signature headers, neither of them right as they arrive',
    channel: 'whatsapp',
    body: whatsApp('wamid.no', 'x'),
    headers: (body) => {
      const value = signMeta(body, metaSecret)['x-hub-signature-256'] ?? ''
      return { ...json, 'x-hub-signature-256': [value, value] }
    },
    fate: { refused: 401 },
  },
  {
    name: 'the signature scheme in capitals',
    channel: 'whatsapp',
    body: whatsApp('wamid.no', 'x'),
    headers: (body) => {
      const value = signMeta(body, metaSecret)['x-hub-signature-256'] ?? ''
      return { ...json, 'x-hub-signature-256': value.toUpperCase() }
    },
    fate: { refused: 401 },
  },
  {
    name: 'a signature with something behind it',
    channel: 'whatsapp',
    body: whatsApp('wamid.no', 'x'),
    headers: (body) => ({ ...json, 'x-hub-signature-256': `${signMeta(body, metaSecret)['x-hub-signature-256']}zz` }),
    fate: { refused: 401 },
  },
  {
    name: 'a signature over what the JSON means, not over its bytes',
    channel: 'whatsapp',
    body: ` ${whatsApp('wamid.no', 'x')}`,
    headers: (body) => ({ ...json, ...signMeta(JSON.stringify(JSON.parse(body.toString())), metaSecret) }),
    fate: { refused: 401 },
  },
  {
    name: 'the right signature of another channel of this engine',
    channel: 'whatsapp',
    body: whatsApp('wamid.no', 'x'),
    headers: (body) => ({ ...json, ...signMeta(body, apiSecret) }),
    fate: { refused: 401 },
  },
]

const bodies: readonly Case[] = [
  { name: 'an empty body', body: '', fate: { parked: 'unreadable' } },
  { name: 'null', body: 'null', fate: { parked: 'unreadable' } },
  { name: 'a list', body: '[]', fate: { parked: 'unreadable' } },
  { name: 'a text', body: '"str"', fate: { parked: 'unreadable' } },
  { name: 'truncated JSON', body: message('cut', 'x').slice(0, -9), fate: { parked: 'unreadable' } },
  { name: 'something behind the JSON', body: `${message('tail', 'x')} tail`, fate: { parked: 'unreadable' } },
  { name: 'a byte order mark', ...good('after a byte order mark') },
  {
    name: 'bytes that are no UTF-8',
    body: Buffer.concat([
      Buffer.from(message('utf', 'x').slice(0, -3)),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}]}'),
    ]),
    fate: { parked: 'unreadable' },
  },
  { name: 'a raw NUL in a text', body: message('nul', 'a\0b'), fate: { parked: 'unreadable' } },
  { name: 'an escaped NUL in a text', ...good('a\\u0000b') },
  { name: 'half a surrogate pair', ...good('a\\ud800b') },
  { name: 'an array 100,000 deep', body: deep, fate: { parked: 'unreadable' } },
  {
    name: 'an array 100,000 deep inside an event of a kind nobody knows',
    body: `{"events":[{"id":"deep","type":"message","parts":${deep}}]}`,
    fate: { parked: /^unreadable$|^unknown_event$/ },
  },
  { name: 'an array 100,000 deep beside a good message', ...good('deep', `,"more":${deep}`) },
  { name: 'duplicate keys', ...good('twice', ',"text":"canary-4c1d the last one counts"') },
  {
    name: 'a __proto__ key',
    ...good('proto', ',"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}'),
  },
  {
    name: 'an event that is nothing but __proto__',
    body: '{"events":[{"__proto__":{"id":"p","type":"message","text":"from nowhere"}}]}',
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'a number beyond all numbers as the time',
    body: message('inf', 'x', ',"at":1e999'),
    fate: { parked: 'unknown_event' },
  },
  { name: 'a date in 1970', ...good('1970', ',"at":"1970-01-01T00:00:00Z"') },
  { name: 'a date in the year 9999', ...good('9999', ',"at":"9999-12-31T23:59:59Z"') },
  {
    name: 'a date without a time zone',
    body: message('zone', 'x', ',"at":"2026-01-05T12:00:00"'),
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'an unknown kind of event',
    body: '{"events":[{"id":"kind","type":"telepathy"}]}',
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'a kind of event named after something of JavaScript',
    body: '{"events":[{"id":"ctor","type":"constructor"}]}',
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'a message without a thread',
    body: '{"events":[{"id":"nothread","type":"message","sender":{"id":"u"},"text":"x"}]}',
    fate: { parked: 'unknown_event' },
  },
  { name: 'an id of 10,000 characters', body: message('x'.repeat(10_000), 'x'), fate: { parked: 'unknown_event' } },
  { name: 'a message of 900 kB', ...good('long '.repeat(180_000)) },
  { name: '10,000 combining marks', ...good(`a${'\u0301'.repeat(10_000)}`) },
  { name: 'a text of nothing but zero-width characters', ...good('\u200b\u200d\u2060\ufeff') },
  {
    name: 'a WhatsApp body of a field nobody knows',
    channel: 'whatsapp',
    body: '{"entry":[{"changes":[{"field":"dreams","value":{}}]}]}',
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'a WhatsApp status of an unknown kind',
    channel: 'whatsapp',
    body: '{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"wamid.1","status":"dreamt","timestamp":"1790000000"}]}}]}]}',
    fate: { parked: 'unknown_event' },
  },
  {
    name: 'a WhatsApp message with an escaped NUL',
    channel: 'whatsapp',
    body: whatsApp('wamid.nul', 'a\0b'),
    fate: { applied: { 'wamid.nul': /^canary-4c1d a.b$/ } },
  },
  {
    name: 'WhatsApp lists that are none',
    channel: 'whatsapp',
    body: '{"entry":{"changes":7}}',
    fate: { parked: 'unknown_event' },
  },
]

/** Providers label JSON in many ways, and the signature says whom it is from. */
const contentTypes: readonly Case[] = [
  ...[
    'text/plain',
    'application/json\ta',
    ' application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json; charset=utf-16',
    'application/vnd.example+json;;;',
    'nonsense',
  ].map((type): Case => ({
    name: `JSON that calls itself ${JSON.stringify(type)}`,
    ...good('by type'),
    headers: (bytes) => ({ ...signStandard(bytes, apiSecret), 'content-type': type }),
  })),
  {
    name: 'JSON without a content type',
    ...good('no content type'),
    headers: (bytes) => signStandard(bytes, apiSecret),
  },
]

function engineConfig(graphUrl: string, deliverUrl: string): object {
  return configWith({
    server: { webhookBodyLimit: bodyLimit },
    log: { level: 'debug' },
    channels: {
      api: { use: 'channel-http', kind: 'messaging', config: { secret: apiSecret, deliverUrl } },
      other: { use: 'channel-http', kind: 'messaging', config: { secret: otherSecret, deliverUrl } },
      whatsapp: {
        use: 'channel-whatsapp',
        kind: 'messaging',
        config: {
          phoneNumberId,
          accessToken: 'token',
          appSecret: metaSecret,
          verifyToken: 'say-it',
          apiBase: `${graphUrl}/v25.0`,
        },
      },
    },
  })
}

interface Place {
  readonly engine: EngineProcess
  readonly databaseUrl: string
  readonly send: (one: Pick<Case, 'channel' | 'body' | 'headers'>) => Promise<RawAnswer>
}

async function place(t: Test): Promise<Place> {
  const databaseUrl = await freshDatabaseUrl(t)
  const graph = await fakeGraph(t)
  const system = await fakeProvider(t, () => ({ status: 200, body: {} }))
  const engine = await startEngineProcess(t, { config: engineConfig(graph.url, `${system.url}/deliver`), databaseUrl })
  return {
    engine,
    databaseUrl,
    send: ({ channel = 'api', body, headers }) => {
      const bytes = Buffer.from(body)
      const sign = headers ?? (channel === 'api' ? signedApi : signedMeta)
      return rawRequest(`${engine.url}/channels/${channel}/webhook`, { body: bytes, headers: sign(bytes) })
    },
  }
}

/** Everybody else is served as before: a good message goes in and reaches the timeline. */
async function stillServes(t: Test, { databaseUrl, send }: Place): Promise<void> {
  const { body, fate } = good('still here')
  t.equal((await send({ body })).status, 200, 'a good message is taken')
  const [id] = Object.keys('applied' in fate ? fate.applied : {})
  await eventually('the good message in the timeline', async () => {
    const rows = await rowsOf(databaseUrl, 'select 1 from message where external_id = $1', [id])
    return rows.length === 1
  })
}

async function storedRows(databaseUrl: string): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(databaseUrl, 'select count(*) as n from inbox')
  return Number(row?.n)
}

test('what is not signed by the other side is refused with 401 and leaves nothing behind', async (t) => {
  const here = await place(t)
  for (const one of signatures) {
    const answer = await here.send(one)
    t.equal(answer.status, 401, `${one.name}: ${answer.body}`)
    t.match(answer.headers['content-type'], 'application/problem+json', one.name)
    t.match(JSON.parse(answer.body), { code: /^TL_CHANNEL_SIGNATURE_/ }, one.name)
  }
  t.equal(await storedRows(here.databaseUrl), 0)
  await stillServes(t, here)
})

test('what is signed but makes no sense is taken, parked with its bytes, or understood; never a 5xx', async (t) => {
  const here = await place(t)
  const cases = [...bodies, ...contentTypes]
  for (const one of cases) {
    const answer = await here.send(one)
    t.equal(answer.status, 200, `${one.name}: ${answer.body.slice(0, 300)}`)
  }
  await eventually('an empty inbox', async () => (await undone(here.databaseUrl)) === 0)
  for (const { name, body, fate, channel = 'api' } of cases) {
    if ('parked' in fate) {
      const rows = await rowsOf<{ code: string; state: string }>(
        here.databaseUrl,
        'select code, state from inbox where channel = $1 and raw = $2',
        [channel, Buffer.from(body)],
      )
      t.same(
        rows.map((row) => row.state),
        ['parked'],
        `${name}: parked, with its bytes`,
      )
      t.match(rows[0]?.code, fate.parked, name)
    } else if ('applied' in fate) {
      for (const [id, text] of Object.entries(fate.applied)) {
        const rows = await rowsOf<{ text: string }>(
          here.databaseUrl,
          'select text from message where external_id = $1',
          [id],
        )
        t.equal(rows.length, 1, `${name}: in the timeline once`)
        t.match(rows[0]?.text, text, name)
        t.notMatch(rows[0]?.text, '\0', name)
      }
    }
  }
  await stillServes(t, here)
  t.notMatch(here.engine.output(), canary, 'no text of a customer in the log')
})

test('what is parked can be listed, read and replayed on the command line', async (t) => {
  const here = await place(t)
  const unreadable = message('cli', 'read me').slice(0, -1)
  t.equal((await here.send({ body: unreadable })).status, 200)
  t.equal((await here.send({ body: '{"events":[{"id":"cli-2","type":"telepathy"}]}' })).status, 200)
  const run = (...args: string[]) =>
    throughline(['inbox', ...args, '--config', here.engine.workplace.configFile], {
      cwd: here.engine.workplace.dir,
      env: { DATABASE_URL: here.databaseUrl, PORT: String(here.engine.port) },
    })
  const listed = await run('list', '--json')
  t.equal(listed.code, 0, listed.stderr)
  const items = JSON.parse(listed.stdout) as { id: number; channel: string; code: string; hasRaw: boolean }[]
  t.same(
    items.map(({ channel, code, hasRaw }) => [channel, code, hasRaw]),
    [
      ['api', 'unknown_event', true],
      ['api', 'unreadable', true],
    ],
  )
  const shown = await run('show', String(items[1]?.id), '--raw')
  t.equal(shown.code, 0, shown.stderr)
  t.equal(shown.stdout.trimEnd(), unreadable)
  const replayed = await run('replay', '--all', '--json')
  t.equal(replayed.code, 1, 'still not readable')
  t.match(JSON.parse(replayed.stdout), { replayed: 0 })
  t.equal((await run('list', '--json')).stdout, listed.stdout, 'and nothing was lost by the attempt')
})

test('too large, unfinished and misdirected requests are refused with their own 4xx', async (t) => {
  const here = await place(t)
  const { url } = here.engine
  const large = Buffer.alloc(bodyLimit + 1, 32)
  t.equal((await here.send({ body: large })).status, 413, 'a signed body over the limit')

  const body = message('nobody', 'x')
  const misdirected: readonly (readonly [string, string, readonly number[]])[] = [
    ['POST', '/channels/nobody/webhook', [404]],
    ['POST', '/channels/__proto__/webhook', [404]],
    ['POST', '/channels/constructor/webhook', [404]],
    ['POST', '/channels/api%00/webhook', [400, 404]],
    ['POST', '/channels/%E0%A4%A/webhook', [400, 404]],
    ['POST', `/channels/${'x'.repeat(5000)}/webhook`, [400, 404, 414]],
    ['POST', '/channels/../admin/webhook', [400, 404]],
    ['POST', '/channels/api', [404]],
    ['POST', '/channels/api/constructor', [404]],
    ['GET', '/channels/api/webhook', [404, 405]],
    ['PUT', '/channels/api/webhook', [404, 405]],
    ['DELETE', '/channels/api/webhook', [404, 405]],
    ['GET', '/channels/whatsapp/webhook?hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=77', [400, 403, 404]],
  ]
  for (const [method, path, expected] of misdirected) {
    const answer = await rawRequest(`${url}${path}`, {
      method,
      body: method === 'GET' ? '' : body,
      headers: signedApi(body),
    })
    t.ok(
      expected.includes(answer.status),
      `${method} ${path.slice(0, 60)}: ${answer.status} ${answer.body.slice(0, 200)}`,
    )
    t.match(answer.headers['content-type'], 'application/problem+json', `${method} ${path.slice(0, 60)}`)
  }
  t.equal(await storedRows(here.databaseUrl), 0)

  const shake = await rawRequest(
    `${url}/channels/whatsapp/webhook?hub.mode=subscribe&hub.verify_token=say-it&hub.challenge=77`,
    { method: 'GET' },
  )
  t.same([shake.status, shake.body], [200, '77'], "Meta's handshake")

  for (const head of [
    // A body that never comes, and one that breaks off.
    'POST /channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"events"',
    'POST /channels/api/webhook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"eve',
    'POST /channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n',
    'NONSENSE\r\n\r\n',
    // Addresses no client of a person writes.
    'POST http://[/channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
    'POST http://elsewhere.example/channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
    'POST //channels/api/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
    'POST /channels/api/webhook?a=%&b=%zz#x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
    'POST * HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
    `POST /channels/api/webhook HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`,
  ]) {
    const answer = await cutOff(here.engine.port, head)
    t.notMatch(answer, /^HTTP\/1\.1 [25]/, JSON.stringify(head.slice(0, 80)))
  }
  t.equal(await storedRows(here.databaseUrl), 0)
  await stillServes(t, here)
})

test('a redelivery with the same id changes nothing, whatever its body says', async (t) => {
  const here = await place(t)
  const id = nextId()
  t.equal((await here.send({ body: message(id, 'first') })).status, 200)
  t.equal((await here.send({ body: message(id, 'second') })).status, 200)
  await eventually('an empty inbox', async () => (await undone(here.databaseUrl)) === 0)
  const rows = await rowsOf<{ text: string }>(here.databaseUrl, 'select text from message where external_id = $1', [id])
  t.same(
    rows.map((row) => row.text),
    [`${canary} first`],
  )
})

/** Writes the beginning of a request, half-closes, and answers what came back. */
function cutOff(port: number, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(head))
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.setTimeout(20_000, () => socket.destroy(new Error('the connection was left hanging')))
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(text) : reject(error)))
    socket.on('close', () => resolve(text))
  })
}

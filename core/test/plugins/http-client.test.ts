import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import nock from 'nock'
import { test } from 'tap'
import { createEgress, type Resolve } from '../../src/plugins/egress.js'
import { isPublicAddress } from '../../src/plugins/egress-rules.js'
import { createHttp } from '../../src/plugins/http-client.js'

const clock = { now: () => Date.parse('2026-01-01T00:00:00Z') }

function client(options: { allow?: string[]; resolve?: Resolve; signal?: AbortSignal } = {}) {
  const egress = createEgress({ allow: options.allow ?? [], ...(options.resolve ? { resolve: options.resolve } : {}) })
  return { egress, http: createHttp({ egress, clock, signal: options.signal ?? new AbortController().signal }) }
}

async function serve(
  t: { teardown(fn: () => void | Promise<void>): void },
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ port: number; hits: () => number; server: Server }> {
  let hits = 0
  const server = createServer((request, response) => {
    hits += 1
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => void server.close(() => resolve()))
  })
  return { port: (server.address() as AddressInfo).port, hits: () => hits, server }
}

/** Written every way the URL standard knows; none may get a connection. */
const forbidden = [
  'http://127.0.0.1/', 'http://127.1/', 'http://127.0.1/', 'http://2130706433/', 'http://0x7f000001/', 'http://0x7f.0.0.1/',
  'http://017700000001/', 'http://0177.0.0.1/', 'http://127.0.0.1:8080/', 'http://127.255.255.254/', 'http://0.0.0.0/', 'http://0/',
  'http://10.0.0.1/', 'http://10.255.255.255/', 'http://172.16.0.1/', 'http://172.31.255.254/', 'http://192.168.1.1/',
  'http://169.254.169.254/latest/meta-data/', 'http://169.254.170.2/', 'http://100.64.0.1/', 'http://100.127.255.254/',
  'http://192.0.0.192/', 'http://198.18.0.1/', 'http://203.0.113.5/', 'http://224.0.0.1/', 'http://239.255.255.250/',
  'http://240.0.0.1/', 'http://255.255.255.255/', 'http://[::]/', 'http://[::1]/', 'http://[0:0:0:0:0:0:0:1]/',
  'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[::ffff:10.0.0.1]/', 'http://[::127.0.0.1]/',
  'http://[64:ff9b::7f00:1]/', 'http://[64:ff9b::10.0.0.1]/', 'http://[64:ff9b:1::a00:1]/', 'http://[2002:7f00:1::]/',
  'http://[2001:0:7f00:1::]/', 'http://[fc00::1]/', 'http://[fd12:3456:789a::1]/', 'http://[fe80::1]/', 'http://[fec0::1]/',
  'http://[ff02::1]/', 'http://[2001:db8::1]/', 'http://[100::1]/', 'http://localhost/', 'http://localhost./', 'http://LOCALHOST/',
  'http://①②⑦.⓪.⓪.①/', 'http://127。0。0。1/', 'https://127.0.0.1/', 'https://[::1]/', 'http://93.184.216.34:22/',
  'http://93.184.216.34:25/', 'http://93.184.216.34:179/', 'ftp://93.184.216.34/', 'file:///etc/passwd', 'gopher://93.184.216.34/',
  'data:text/plain,x', 'http://user:pass@93.184.216.34/', 'http://93.184.216.34@127.0.0.1/', 'http://', '//127.0.0.1/', 'javascript:1',
] // prettier-ignore

test('no spelling of a private address gets a connection', async (t) => {
  const { http } = client()
  for (const url of forbidden) await t.rejects(http.get(url, { timeoutMs: 2_000 }), { code: 'permanent' }, url)
  t.ok(forbidden.length >= 40, `${forbidden.length} addresses`)
})

test('public addresses are told from the others at the edges of their ranges', (t) => {
  for (const address of ['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '169.253.255.255', '169.255.0.0', '223.255.255.255', '2606:4700::1111', '2a00:1450::1']) t.equal(isPublicAddress(address), true, address) // prettier-ignore
  for (const address of ['fe80::1%eth0', '::ffff:8.8.8.8', '', 'x', '1.2.3', '3ffe::1%1']) t.equal(isPublicAddress(address), false, address) // prettier-ignore
  t.end()
})

test('a name that resolves to a private address is refused, in every mixture', async (t) => {
  for (const addresses of [
    ['10.0.0.5'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['169.254.169.254', 'fd00::1'],
  ]) {
    const resolve: Resolve = async () =>
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    await t.rejects(client({ resolve }).http.get('http://rebind.example/'), { code: 'permanent' }, addresses.join())
  }
})

test('a rebinding name server gets nothing: the name is asked once, and the checked address is the one connected to', async (t) => {
  const { port, hits } = await serve(t, (_, response) => response.end('inside'))
  let asked = 0
  // An open address at first, the inside ever after: whoever asked again for the connection would end up inside.
  const resolve: Resolve = async () => [{ address: asked++ === 0 ? '127.0.0.2' : '127.0.0.1', family: 4 }]
  const { http } = client({ allow: ['127.0.0.2'], resolve })
  await t.rejects(http.get(`http://rebind.example:${port}/`), { code: 'retryable', message: /ECONNREFUSED/ })
  t.equal(asked, 1)
  await t.rejects(http.get(`http://rebind.example:${port}/`), { code: 'permanent' })
  t.equal(hits(), 0)
})

test('a redirect to a private address is refused, and so is a fourth one', async (t) => {
  const inner = await serve(t, (_, response) => response.end('secret'))
  const outer = await serve(t, (request, response) => {
    const target = request.url === '/loop' ? '/loop' : `http://127.0.0.1:${inner.port}/`
    response.writeHead(302, { location: target }).end()
  })
  const { http } = client({
    allow: [`open.example:${outer.port}`],
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  })
  await t.rejects(http.get(`http://open.example:${outer.port}/`), { code: 'permanent', message: /refused/ })
  t.equal(inner.hits(), 0)
  await t.rejects(http.get(`http://open.example:${outer.port}/loop`), {
    code: 'permanent',
    message: /redirects too often/,
  })
  t.equal(outer.hits(), 1 + 4)
})

test('redirects are followed for GET only, and credentials stay with their origin', async (t) => {
  const seen: (string | undefined)[] = []
  const second = await serve(t, (request, response) => {
    seen.push(request.headers.authorization, request.headers['x-api-key'] as string | undefined)
    response.end('there')
  })
  const first = await serve(t, (request, response) => {
    seen.push(request.headers.authorization)
    const target = request.url === '/same' ? '/other' : `http://127.0.0.1:${second.port}/`
    if (request.url === '/other') response.end('here')
    else response.writeHead(307, { location: target }).end()
  })
  const { http } = client({ allow: ['127.0.0.1'] })
  const base = `http://127.0.0.1:${first.port}`
  t.equal((await http.get(`${base}/same`, { bearer: 'tok' })).text(), 'here')
  t.same(seen.splice(0), ['Bearer tok', 'Bearer tok'])
  t.equal((await http.get(`${base}/away`, { bearer: 'tok', headers: { 'X-Api-Key': 'k' } })).text(), 'there')
  t.same(seen.splice(0), ['Bearer tok', undefined, undefined])
  await t.rejects(http.post(`${base}/away`, { json: {} }), { code: 'permanent' })
  t.equal(second.hits(), 1)
})

test('an operator opens private hosts by address, range, name, or name and port', async (t) => {
  const { port } = await serve(t, (_, response) => response.end('ok'))
  const resolve: Resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  for (const allow of ['127.0.0.1', '127.0.0.0/8', 'crm.internal', `crm.internal:${port}`]) {
    const { http, egress } = client({ allow: [allow], resolve })
    t.equal((await http.get(`http://crm.internal:${port}/`)).text(), 'ok', allow)
    egress.close()
  }
  for (const allow of ['10.0.0.0/8', 'crm.internal:1', 'other.internal']) {
    await t.rejects(
      client({ allow: [allow], resolve }).http.get(`http://crm.internal:${port}/`),
      { code: 'permanent' },
      allow,
    )
  }
})

test('statuses become the errors of the table', async (t) => {
  const cases: [number, string, Record<string, string>][] = [
    [408, 'retryable', {}], [425, 'retryable', {}], [500, 'retryable', {}], [502, 'retryable', {}], [503, 'retryable', {}],
    [503, 'rate_limited', { 'retry-after': '7' }], [429, 'rate_limited', { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }],
    [401, 'auth', {}], [403, 'auth', {}], [400, 'permanent', {}], [404, 'permanent', {}], [413, 'permanent', {}], [422, 'permanent', {}],
  ] // prettier-ignore
  const { port } = await serve(t, (request, response) => {
    const [status, , headers] = cases[Number(request.url?.slice(1))]!
    response.writeHead(status, headers).end('{"secret":"body"}')
  })
  const { http } = client({ allow: ['127.0.0.1'] })
  for (const [index, [status, code]] of cases.entries()) {
    const error: any = await http.post(`http://127.0.0.1:${port}/${index}`).catch((it: unknown) => it)
    t.equal(error.code, code, `${status}`)
    if (code === 'rate_limited') t.equal(error.retryAfterMs, 7000)
    t.notMatch(error.message, 'secret')
  }
  await t.rejects(http.get(`http://127.0.0.1:${port}/10`, { errors: { 404: 'recipient' } }), { code: 'recipient' })
  t.equal((await http.get(`http://127.0.0.1:${port}/10`, { allowStatus: true })).status, 404)
})

test('no answer is uncertain for what may have acted, and can be tried again otherwise', async (t) => {
  const { port, server } = await serve(t, (request) => {
    if (request.url === '/cut') request.socket.destroy()
  })
  const { http } = client({ allow: ['127.0.0.1'] })
  const url = `http://127.0.0.1:${port}`
  await t.rejects(http.post(`${url}/hang`, { json: { a: 1 }, timeoutMs: 100 }), { code: 'uncertain' })
  await t.rejects(http.post(`${url}/cut`, { json: { a: 1 } }), { code: 'uncertain' })
  await t.rejects(http.get(`${url}/hang`, { timeoutMs: 100 }), { code: 'retryable' })
  await t.rejects(http.get(`${url}/cut`), { code: 'retryable' })
  server.closeAllConnections()
  await new Promise<void>((resolve) => void server.close(() => resolve()))
  await t.rejects(
    http.post(`${url}/`, { json: {} }),
    { code: 'retryable' },
    'refused connections never reached anybody',
  )
  const resolve: Resolve = () => Promise.reject(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }))
  await t.rejects(client({ resolve }).http.post('http://gone.example/'), { code: 'retryable' })
})

test('neither a slow nor an endless answer holds a plugin for ever', async (t) => {
  const { port } = await serve(t, (request, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write(request.url === '/big' ? 'x'.repeat(65536) : '.'), 5)
    response.on('close', () => clearInterval(timer))
  })
  const { http } = client({ allow: ['127.0.0.1'] })
  await t.rejects(http.get(`http://127.0.0.1:${port}/big`, { maxBytes: 100_000 }), {
    code: 'permanent',
    message: /100000 bytes/,
  })
  await t.rejects(http.get(`http://127.0.0.1:${port}/slow`, { timeoutMs: 150 }), { code: 'retryable' })
})

test('a stop of the instance and a signal of the caller abort requests under way', async (t) => {
  const { port } = await serve(t, () => undefined)
  const stop = new AbortController()
  const { http } = client({ allow: ['127.0.0.1'], signal: stop.signal })
  const mine = new AbortController()
  const first = http.get(`http://127.0.0.1:${port}/`, { signal: mine.signal })
  mine.abort()
  await t.rejects(first, { code: 'retryable' })
  const second = http.get(`http://127.0.0.1:${port}/`)
  stop.abort()
  await t.rejects(second, { code: 'retryable' })
})

test('bodies, queries and credentials arrive as they were meant', async (t) => {
  const { port } = await serve(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { authorization, 'content-type': type } = request.headers
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          authorization,
          type,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
  })
  const { http } = client({ allow: ['127.0.0.1'] })
  const url = `http://127.0.0.1:${port}/p`
  t.match((await http.post(url, { json: { ä: 1 }, query: { q: 'a b', n: 2 } })).json(), {
    method: 'POST',
    url: '/p?q=a+b&n=2',
    type: 'application/json',
    body: '{"ä":1}',
  })
  t.match((await http.put(url, { form: { a: 'x&y' } })).json(), {
    method: 'PUT',
    type: 'application/x-www-form-urlencoded',
    body: 'a=x%26y',
  })
  t.match((await http.delete(url, { basic: { user: 'u', password: 'p' } })).json(), {
    method: 'DELETE',
    authorization: 'Basic dTpw',
  })
  const form = new FormData()
  form.set('file', new Blob(['bytes']), 'a.txt')
  const multipart = (await http.post(url, { multipart: form })).json<{ type: string; body: string }>()
  t.match(multipart.type, /^multipart\/form-data; boundary=/)
  t.match(multipart.body, /filename="a.txt"[\s\S]*bytes/)
})

test('an error names the host and never the path, where networks put their tokens', async (t) => {
  const { port } = await serve(t, (_, response) => response.writeHead(500).end())
  const { http } = client({ allow: ['127.0.0.1'] })
  const url = `http://127.0.0.1:${port}/botSECRET123/send?key=SECRET123`
  for (const call of [() => http.get(url), () => http.get('http://10.0.0.1/SECRET123'), () => http.get('SECRET123')]) {
    const error: any = await call().catch((it: unknown) => it)
    t.ok(error.code)
    t.notMatch(JSON.stringify([error.message, error.details]), 'SECRET123')
  }
})

test('nock stands in for a provider', async (t) => {
  t.teardown(() => nock.cleanAll())
  nock('https://api.example.com', { reqheaders: { authorization: 'Bearer t' } })
    .post('/v1/send', { to: 'x' })
    .reply(200, { id: 'm1' })
  nock('https://api.example.com').get('/v1/limit').reply(429, '', { 'retry-after': '3' })
  nock('https://api.example.com')
    .post('/v1/cut')
    .replyWithError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  const { http } = client()
  const answer = await http.post('https://api.example.com/v1/send', { bearer: 't', json: { to: 'x' } })
  t.same(answer.json(), { id: 'm1' })
  await t.rejects(http.get('https://api.example.com/v1/limit'), { code: 'rate_limited', retryAfterMs: 3000 })
  await t.rejects(http.post('https://api.example.com/v1/cut', { json: {} }), { code: /uncertain|retryable/ })
})

import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { PluginError } from '@throughline/plugin-sdk'
import { egressRules } from './egress-rules.js'

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>

export interface EgressRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export interface EgressAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** The engine's one way out: every request made on somebody else's word goes through it. */
export interface Egress {
  /** One request, no redirects. A failure carries `sent`: the request may have reached the other side. */
  request(request: EgressRequest): Promise<EgressAnswer>
  close(): void
}

export interface EgressDeps {
  /** Private hosts and ranges that may be called; see egressRules. */
  readonly allow: readonly string[]
  readonly resolve?: Resolve
}

/** These names mean this machine (RFC 6761), whatever a name server says. */
const loopback: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

const resolveBySystem: Resolve = (host) =>
  new Promise((resolve, reject) =>
    systemLookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
  )

/**
 * The name is resolved once, by the connection itself, and the connection goes to the very address that was checked: there
 * is no second look-up that a rebinding name server could answer differently. Literal addresses never reach a look-up, so
 * they are checked before.
 */
export function createEgress(deps: EgressDeps): Egress {
  const rules = egressRules(deps.allow)
  const resolve = deps.resolve ?? resolveBySystem
  // Idle connections close before most servers would close them: fewer requests die on a connection just given up.
  const options = { keepAlive: true, timeout: 4_000, maxSockets: 64, scheduling: 'lifo' as const }
  const agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }

  const guardedLookup =
    (port: number): LookupFunction =>
    (host, wanted, done) => {
      const found = /(^|\.)localhost\.?$/i.test(host) ? Promise.resolve(loopback) : resolve(host)
      found.then(
        (all) => {
          const family = typeof wanted.family === 'number' ? wanted.family : 0
          const open = all.filter((a) => rules.allows(a.address, host, port) && (family === 0 || a.family === family))
          const [first] = open
          if (first === undefined) return done(refusal(host), wanted.all === true ? [] : '', 4)
          if (wanted.all === true) return done(null, [...open])
          done(null, first.address, first.family)
        },
        (error: unknown) => done(error as NodeJS.ErrnoException, wanted.all === true ? [] : '', 4),
      )
    }

  return Object.freeze({
    async request(request) {
      const { url } = request
      const secure = url.protocol === 'https:'
      const host = url.hostname
        .replace(/^\[|\]$/g, '')
        .replace(/\.$/, '')
        .toLowerCase()
      const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
      if (!rules.allowsPort(host, port)) throw refusal(`${host}:${port}`)
      if (isIP(host) !== 0 && !rules.allows(host, host, port)) throw refusal(host)
      request.signal.throwIfAborted()
      const options: https.RequestOptions = {
        method: request.method,
        headers: { ...request.headers, ...(request.body ? { 'content-length': String(request.body.byteLength) } : {}) },
        agent: secure ? agents['https:'] : agents['http:'],
        lookup: guardedLookup(port),
        // SNI and the certificate go by the name, not by the address connected to.
        ...(secure && isIP(host) === 0 ? { servername: host } : {}),
      }
      return exchange(secure ? https.request(url, options) : http.request(url, options), request)
    },
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  } satisfies Egress)
}

function refusal(host: string): PluginError {
  return new PluginError(
    'permanent',
    `requests to ${host} are refused: it is not a public address; an operator can open it with server.egressAllow`,
    { details: { refused: true } },
  )
}

function exchange(outgoing: http.ClientRequest, request: EgressRequest): Promise<EgressAnswer> {
  return new Promise((resolve, reject) => {
    let sent = false
    const fail = (error: Error): void => {
      request.signal.removeEventListener('abort', abort)
      outgoing.destroy()
      if (!(error instanceof PluginError)) Object.assign(error, { sent })
      reject(error)
    }
    const abort = (): void => fail(abortError(request.signal))
    request.signal.addEventListener('abort', abort, { once: true })
    outgoing.on('socket', (socket) => {
      // From here on bytes may have left; before, nothing can have happened on the other side.
      if (!socket.connecting) sent = true
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => (sent = true))
    })
    outgoing.on('error', fail)
    outgoing.on('response', (incoming) => {
      sent = true
      const chunks: Buffer[] = []
      let size = 0
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > request.maxBytes) {
          fail(new PluginError('permanent', `${request.url.host} sent more than ${request.maxBytes} bytes`))
        } else chunks.push(chunk)
      })
      incoming.on('error', fail)
      incoming.on('end', () => {
        request.signal.removeEventListener('abort', abort)
        resolve({ status: incoming.statusCode ?? 0, headers: flat(incoming.headers), body: Buffer.concat(chunks) })
      })
    })
    outgoing.end(request.body)
  })
}

function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  const message = reason instanceof Error ? reason.message : 'the call was aborted'
  return new Error(message, { cause: reason })
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) result[name] = [value].flat().join(', ')
  return result
}

import {
  PluginError,
  errorOfStatus,
  type Clock,
  type Http,
  type HttpOptions,
  type HttpResponse,
} from '@throughline/plugin-sdk'
import { linkSignals } from '../clock.js'
import type { Egress } from './egress.js'
import { httpBody } from './http-body.js'

const defaultTimeoutMs = 15_000
const defaultMaxBytes = 10 * 1024 * 1024
const maxRedirects = 3

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
/** Requests whose effect may have happened although no answer came. */
const mayHaveActed: ReadonlySet<Method> = new Set(['POST', 'PUT'])

export interface HttpDeps {
  readonly egress: Egress
  readonly clock: Clock
  /** Aborts everything under way: the instance stops. */
  readonly signal: AbortSignal
}

/**
 * The client plugins get: see `Http` of the SDK for what it promises. Redirects are followed for GET only, at most three,
 * each checked like the first; credentials do not travel to another origin. Messages name the host, never the path or the
 * query: networks put tokens there.
 */
export function createHttp({ egress, clock, signal }: HttpDeps): Http {
  const call = async (method: Method, address: string, options: HttpOptions = {}): Promise<HttpResponse> => {
    const { body, headers: bodyHeaders } = await httpBody(options)
    let url = parse(address, options.query)
    let headers: Record<string, string> = {
      ...defaultHeaders,
      ...bodyHeaders,
      ...authorization(options),
      ...lowerCased(options.headers),
    }
    const limit = new AbortController()
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    const link = linkSignals(limit.signal, signal, ...(options.signal ? [options.signal] : []))
    try {
      for (let redirects = 0; ; redirects++) {
        const answer = await egress.request({
          method,
          url,
          headers,
          body,
          maxBytes: options.maxBytes ?? defaultMaxBytes,
          signal: link.signal,
        })
        const location = answer.headers['location']
        if (method === 'GET' && answer.status >= 300 && answer.status < 400 && location !== undefined) {
          if (redirects === maxRedirects) throw new PluginError('permanent', `${url.host} redirects too often`)
          const next = parse(location, undefined, url)
          // Networks invent their own credential headers: only what is ours travels to another origin.
          if (next.origin !== url.origin) headers = { ...defaultHeaders }
          url = next
          continue
        }
        const failure = options.allowStatus === true ? undefined : errorOfStatus(answer, clock.now(), options.errors)
        if (failure) throw failure
        return response(answer)
      }
    } catch (error) {
      throw asPluginError(error, method, url.host)
    } finally {
      clearTimeout(timer)
      link.release()
    }
  }
  return Object.freeze({
    get: (url, options) => call('GET', url, options),
    post: (url, options) => call('POST', url, options),
    put: (url, options) => call('PUT', url, options),
    delete: (url, options) => call('DELETE', url, options),
  } satisfies Http)
}

const defaultHeaders = Object.freeze({ 'user-agent': 'throughline', accept: '*/*', 'accept-encoding': 'identity' })

function parse(address: string, query: HttpOptions['query'], base?: URL): URL {
  if (!URL.canParse(address, base?.href)) throw new PluginError('permanent', 'the address is not a valid URL')
  const url = new URL(address, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new PluginError('permanent', `only http and https addresses are called, not ${url.protocol}`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new PluginError('permanent', `the address of ${url.host} holds a user name; use the option basic`)
  }
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value))
  return url
}

function authorization(options: HttpOptions): Record<string, string> {
  if (options.bearer !== undefined) return { authorization: `Bearer ${options.bearer}` }
  if (options.basic === undefined) return {}
  const { user, password } = options.basic
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function response(answer: { status: number; headers: Readonly<Record<string, string>>; body: Buffer }): HttpResponse {
  const text = (): string => answer.body.toString('utf8')
  return Object.freeze({
    status: answer.status,
    headers: Object.freeze(answer.headers),
    body: answer.body,
    text,
    json: <T>(): T => {
      try {
        return JSON.parse(text()) as T
      } catch (cause) {
        throw new PluginError('retryable', 'the network answered with something that is not JSON', { cause })
      }
    },
  })
}

/** A failed call in the words of the table of error codes. What reached the network and may act is `uncertain`. */
function asPluginError(error: unknown, method: Method, host: string): PluginError {
  if (error instanceof PluginError) return error
  const { sent, code, message } = error as { sent?: boolean; code?: string; message?: string }
  const what = code ?? message ?? 'unknown error'
  if (sent === true && mayHaveActed.has(method)) {
    return new PluginError('uncertain', `${host} did not answer the request (${what})`, { cause: error })
  }
  return new PluginError('retryable', `${host} could not be reached (${what})`, { cause: error })
}

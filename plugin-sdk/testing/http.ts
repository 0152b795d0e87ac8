import { errorOfStatus, isPluginError, PluginError } from '../src/index.js'
import type { Clock, Http, HttpOptions, HttpResponse } from '../src/index.js'

/**
 * `Http` over the global fetch, so that request mocks and real local servers both work. Limits and errors are those the
 * contract promises; the guard against private networks is not here, because tests talk to 127.0.0.1.
 */
export function testHttp(clock: Clock, stopped: AbortSignal): Http {
  const call = (method: string) => (url: string, options?: HttpOptions) =>
    request(method, url, options ?? {}, clock, stopped)
  return Object.freeze({ get: call('GET'), post: call('POST'), put: call('PUT'), delete: call('DELETE') })
}

async function request(
  method: string,
  url: string,
  options: HttpOptions,
  clock: Clock,
  stopped: AbortSignal,
): Promise<HttpResponse> {
  const target = new URL(url)
  for (const [name, value] of Object.entries(options.query ?? {})) target.searchParams.set(name, String(value))
  const { body, type } = bodyOf(options)
  const headers = new Headers(type === undefined ? {} : { 'content-type': type })
  if (options.bearer !== undefined) headers.set('authorization', `Bearer ${options.bearer}`)
  if (options.basic !== undefined)
    headers.set('authorization', `Basic ${btoa(`${options.basic.user}:${options.basic.password}`)}`)
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value)
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new Error('time limit')), options.timeoutMs ?? 15_000)
  const signals = [timeout.signal, stopped, ...(options.signal === undefined ? [] : [options.signal])]
  try {
    const init = { method, headers, signal: AbortSignal.any(signals), ...(body === undefined ? {} : { body }) }
    const answer = await fetch(target, init)
    const bytes = await readLimited(answer, options.maxBytes ?? 10 * 1024 * 1024)
    const response = responseOf(answer, bytes)
    const failure = options.allowStatus === true ? undefined : errorOfStatus(response, clock.now(), options.errors)
    if (failure !== undefined) throw failure
    return response
  } catch (error) {
    if (isPluginError(error)) throw error
    throw networkError(method, error)
  } finally {
    clearTimeout(timer)
  }
}

function bodyOf(options: HttpOptions): { body?: string | Uint8Array<ArrayBuffer> | FormData; type?: string } {
  if (options.json !== undefined) return { body: JSON.stringify(options.json), type: 'application/json' }
  if (options.form !== undefined)
    return { body: new URLSearchParams(options.form).toString(), type: 'application/x-www-form-urlencoded' }
  if (options.multipart !== undefined) return { body: options.multipart }
  if (options.body === undefined) return {}
  return { body: typeof options.body === 'string' ? options.body : new Uint8Array(options.body) }
}

async function readLimited(answer: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  if (answer.body !== null) {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength
      if (size > maxBytes) throw new PluginError('permanent', `the answer is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function responseOf(answer: Response, body: Uint8Array): HttpResponse {
  const text = () => new TextDecoder().decode(body)
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body,
    text,
    json: <T>() => {
      try {
        return JSON.parse(text()) as T
      } catch (cause) {
        throw new PluginError('retryable', 'the network answered something that is not JSON', { cause })
      }
    },
  }
}

/** Codes that prove nothing reached the network. */
const neverSent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']

function networkError(method: string, error: unknown): PluginError {
  const cause = (error as { cause?: { code?: unknown } }).cause
  const code = typeof cause?.code === 'string' ? cause.code : ''
  const changes = method === 'POST' || method === 'PUT' || method === 'PATCH'
  if (changes && !neverSent.includes(code))
    return new PluginError('uncertain', 'no answer after the request was sent', { cause: error })
  return new PluginError('retryable', 'the network could not be reached', { cause: error })
}

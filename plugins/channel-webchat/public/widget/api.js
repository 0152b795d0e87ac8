/** A call that did not succeed. `retryable`: the same call may well succeed later. */
export class ApiError extends Error {
  constructor({ status = 0, code = 'network', retryAfterMs = 0, cause }) {
    super(code, cause === undefined ? undefined : { cause })
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.retryAfterMs = retryAfterMs
    this.retryable = status === 0 || status === 408 || status === 425 || status === 429 || status >= 500
  }
}

const CALL_MS = 15_000

/**
 * The calls of one channel. The token travels in a header, never in an address.
 * @param {string} root `<origin>/channels/<channel>`
 */
export function createApi(root) {
  const request = async (method, name, { token, body, query, signal, accept } = {}) => {
    const url = new URL(`${root}/${name}`)
    for (const [key, value] of Object.entries(query ?? {})) if (value) url.searchParams.set(key, value)
    let response
    try {
      response = await fetch(url, {
        method,
        signal,
        cache: 'no-store',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        headers: {
          ...(accept ? { accept } : {}),
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      throw new ApiError({ cause })
    }
    if (response.ok) return response
    const problem = await response.json().catch(() => ({}))
    throw new ApiError({
      status: response.status,
      code: typeof problem.code === 'string' ? problem.code : `http_${response.status}`,
      retryAfterMs: Math.min(60, Number(response.headers.get('retry-after')) || 0) * 1000,
    })
  }
  const json = async (method, name, options = {}) => {
    // Not AbortSignal.any: it is younger than the browsers this has to run in.
    const limit = new AbortController()
    const abort = () => limit.abort()
    const timer = setTimeout(abort, CALL_MS)
    options.signal?.addEventListener('abort', abort)
    try {
      const response = await request(method, name, { ...options, signal: limit.signal })
      return await response.json()
    } catch (cause) {
      throw cause instanceof ApiError ? cause : new ApiError({ cause })
    } finally {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', abort)
    }
  }
  return {
    session: (body, signal) => json('POST', 'session', { body, signal }),
    thread: (token, after, signal) => json('GET', 'thread', { token, query: { after }, signal }),
    message: (token, body, signal) => json('POST', 'messages', { token, body, signal }),
    typing: (token, on) => json('POST', 'typing', { token, body: { on } }),
    read: (token, body) => json('POST', 'read', { token, body }),
    stream: (token, after, signal) =>
      request('GET', 'stream', { token, query: { after }, signal, accept: 'text/event-stream' }),
  }
}

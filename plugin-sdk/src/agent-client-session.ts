import { AgentClientError } from './agent-client-error.js'

export type Credentials = { readonly email: string; readonly password: string } | { readonly code: string }

/** Signs in over REST; the token is good for twelve hours. */
export async function signIn(
  baseUrl: string,
  credentials: Credentials,
  request: typeof fetch = fetch,
): Promise<{ readonly token: string; readonly agent: string; readonly expiresAt: string }> {
  return post(request, `${baseUrl}/v1/sessions`, credentials) as Promise<{
    token: string
    agent: string
    expiresAt: string
  }>
}

/** A single-use ticket for the socket. */
export async function ticketFrom(baseUrl: string, token: string, request: typeof fetch = fetch): Promise<string> {
  return ((await post(request, `${baseUrl}/v1/agent/ws-tickets`, undefined, token)) as { ticket: string }).ticket
}

async function post(request: typeof fetch, url: string, body: unknown, token?: string): Promise<unknown> {
  const response = await request(url, {
    method: 'POST',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  })
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>
  if (response.ok) return answer
  const { code, title } = answer
  throw new AgentClientError(
    typeof code === 'string' ? code : 'TL_INTERNAL_FAILED',
    typeof title === 'string' ? title : `HTTP ${response.status}`,
    answer,
  )
}

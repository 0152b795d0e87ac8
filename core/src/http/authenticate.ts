import type { FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import type { AgentAccounts, Principal, Scope } from '../agents/contract.js'
import { may } from '../agents/scopes.js'
import { ThroughlineError } from '../errors.js'

const principals = new WeakMap<FastifyRequest, Principal>()

/** The one guard of the API: a bearer token, and the scope the route names. */
export function guard(accounts: Pick<AgentAccounts, 'authenticate'>, scope: Scope | null): preHandlerAsyncHookHandler {
  return async (request) => {
    const header = request.headers.authorization ?? ''
    const bearer = /^Bearer ([\w-]{1,200})$/.exec(header)?.[1]
    const principal = bearer === undefined ? null : await accounts.authenticate(bearer)
    if (principal === null)
      throw new ThroughlineError('TL_AUTH_UNAUTHENTICATED', 'send a valid token as `Authorization: Bearer …`')
    if (scope !== null && !may(principal, scope))
      throw new ThroughlineError('TL_AUTH_FORBIDDEN', `this needs the right ${scope}`)
    principals.set(request, principal)
  }
}

export function principalOf(request: FastifyRequest): Principal {
  const principal = principals.get(request)
  if (principal === undefined) throw new Error('the route has no guard')
  return principal
}

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '@throughline/plugin-sdk'
import { isThroughlineError, ThroughlineError } from '../errors.js'
import type { Ids } from '../ids.js'

/** RFC 9457 problem+json with the code of the catalogue. Unexpected errors carry a reference into the log, nothing else. */
export function problemHandler(deps: { readonly log: Logger; readonly ids: Ids }) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const known = ours(error)
    if (known !== null) return answer(reply, known)
    const ref = deps.ids()
    deps.log.error({ err: error, ref, method: request.method, route: request.routeOptions.url }, 'a request failed')
    answer(
      reply,
      new ThroughlineError('TL_INTERNAL_FAILED', 'it failed here; the reference stands in the log', {
        details: { ref },
      }),
    )
  }
}

export function answer(reply: FastifyReply, error: ThroughlineError): void {
  const wait = error.details['retryAfterMs']
  if (typeof wait === 'number') void reply.header('retry-after', String(Math.ceil(wait / 1000)))
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer')
  void reply
    .code(error.status)
    .type('application/problem+json')
    .send({
      type: `https://throughline.invalid/errors/${error.code}`,
      title: error.message,
      status: error.status,
      code: error.code,
      ...error.details,
    })
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** What Fastify itself refuses, in our codes. */
function ours(error: FastifyError): ThroughlineError | null {
  if (isThroughlineError(error)) return error
  if (error.validation) {
    const [first] = error.validation
    const path =
      first?.instancePath === ''
        ? `/${textOf(first.params['missingProperty'] ?? first.params['additionalProperty'])}`
        : first?.instancePath
    return new ThroughlineError(
      'TL_REQUEST_INVALID',
      `${error.validationContext ?? 'request'} ${path ?? ''} ${first?.message ?? 'is not valid'}`,
      { details: { path } },
    )
  }
  switch (error.statusCode) {
    case 413:
      return new ThroughlineError('TL_INBOUND_BODY_TOO_LARGE', 'the body is larger than this route takes')
    case 415:
    case 414:
    case 400:
      return new ThroughlineError('TL_REQUEST_INVALID', 'the request could not be read; send what the route documents')
    case 404:
      return new ThroughlineError('TL_REQUEST_NOT_FOUND', 'there is nothing at this address')
    case 429:
      return new ThroughlineError('TL_AUTH_RATE_LIMITED', 'too many requests; wait a little')
    case 503:
      return new ThroughlineError('TL_NODE_OVERLOADED', 'this node stops or is overloaded; try again')
    default:
      return databaseTrouble(error)
  }
}

/** The line to the database is cut or the server restarts: nothing was done, so the caller may try again. */
function databaseTrouble(error: FastifyError): ThroughlineError | null {
  const code = String(error.code ?? '')
  if (
    !/^(08|57P|53)|^ECONN|^EPIPE|^ETIMEDOUT/.test(code) &&
    !/Connection terminated|timeout exceeded/.test(error.message)
  )
    return null
  return new ThroughlineError('TL_STORE_UNAVAILABLE', 'the database does not answer; try again', {
    cause: error,
    details: { retryAfterMs: 2000 },
  })
}

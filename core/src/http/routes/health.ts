import type { FastifyInstance } from 'fastify'
import { isIP } from 'node:net'
import type { WebhookEndpoint } from '../../events/webhooks/contract.js'
import { guard } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

/** Liveness is the process; readiness is the database and the instances marked `required`. */
export async function healthRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  app.get('/health/live', { schema: { hide: true }, handler: () => Promise.resolve({ status: 'ok' }) })
  app.get('/health/ready', {
    schema: { hide: true },
    handler: async (_request, reply) => {
      const missing = deps.plugins
        .statuses()
        .filter((one) => one.required && one.state !== 'running' && one.state !== 'degraded')
      const database = await deps.ping().then(
        () => true,
        () => false,
      )
      const ready = database && missing.length === 0
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ok' : 'unavailable', database, missing: missing.map((one) => one.id) })
    },
  })
  const admit = guard(deps.accounts, 'events:read')
  app.get('/metrics', {
    schema: { hide: true },
    // A scraper on this machine needs no token; from elsewhere a token of the role integrator does.
    async preHandler(request, reply) {
      if (
        isIP(request.ip) &&
        /^(127\.|::1$|::ffff:127\.)/.test(request.ip) &&
        request.headers['x-forwarded-for'] === undefined
      )
        return
      await admit.call(app, request, reply)
    },
    handler: async (_request, reply) => {
      // Without the database the rest is worth the more.
      const [inbox, expositions, webhooks] = await Promise.all([
        deps.inbox.counts().catch(() => null),
        deps.analytics.expositions(),
        deps.webhooks.list().catch(() => []),
      ])
      const { sockets, agents } = deps.agents.counts()
      const gauges: Record<string, number> = {
        throughline_database_up: inbox === null ? 0 : 1,
        ...(inbox === null
          ? {}
          : {
              throughline_inbox_undrained: inbox.undrained,
              throughline_inbox_parked: inbox.parked,
              throughline_inbox_oldest_seconds: inbox.oldestUndrainedS ?? 0,
            }),
        throughline_agent_sockets: sockets,
        throughline_agents_connected: agents,
        throughline_event_position: deps.reader.head(),
      }
      const text = Object.entries(gauges).map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`)
      const states = deps.plugins
        .statuses()
        .map(
          (one) =>
            `throughline_plugin_up{instance="${one.id}",state="${one.state}"} ${one.state === 'running' ? 1 : 0}\n`,
        )
      return reply
        .type('text/plain; version=0.0.4; charset=utf-8')
        .send(
          [
            ...text,
            '# TYPE throughline_plugin_up gauge\n',
            ...states,
            webhookGauges(webhooks),
            deps.metrics(),
            ...expositions.map((one) => one.body),
          ].join(''),
        )
    },
  })
}

/** The lines of one metric stand together: the format wants it so. */
function webhookGauges(all: readonly WebhookEndpoint[]): string {
  if (all.length === 0) return ''
  const gauge = (name: string, line: (one: WebhookEndpoint) => string): string =>
    `# TYPE throughline_webhook_${name} gauge\n${all.map((one) => `throughline_webhook_${name}${line(one)}\n`).join('')}`
  return [
    gauge('up', ({ id, state }) => `{webhook="${id}",state="${state}"} ${state === 'running' ? 1 : 0}`),
    gauge('waiting', ({ id, waiting }) => `{webhook="${id}"} ${waiting}`),
    gauge('position', ({ id, position }) => `{webhook="${id}"} ${position}`),
  ].join('')
}

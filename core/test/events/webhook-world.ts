import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test as TestCase } from 'tap'
import { redactEvent } from '../../src/analytics/redact.js'
import { systemClock } from '../../src/clock.js'
import type { WebhookConfig } from '../../src/config/contract.js'
import type { LoggedEvent } from '../../src/events/contract.js'
import { LogReader } from '../../src/events/reader.js'
import { Sequencer } from '../../src/events/sequencer.js'
import type { WebhookLimits } from '../../src/events/webhooks/lead.js'
import { createWebhookService } from '../../src/events/webhooks/webhook-service.js'
import { createWebhookStore } from '../../src/events/webhooks/webhook-store.js'
import { createWebhooks } from '../../src/events/webhooks/webhooks.js'
import { createLeaseStore } from '../../src/jobs/lease-store.js'
import { createLeases } from '../../src/jobs/leases.js'
import { createEgress, type Resolve } from '../../src/plugins/egress.js'
import { recordingLog } from '../plugins/support.js'
import { withDatabase } from '../support/database.js'

export interface Call {
  readonly id: string
  readonly headers: IncomingMessage['headers']
  readonly path: string
  readonly body: string
  readonly position: number
}

export type Reply = (call: Call, response: ServerResponse) => void
export const ok: Reply = (_call, response) => void response.writeHead(204).end()
export const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  (_call, response) =>
    void response.writeHead(code, headers).end()
/** Answers when told to: every call waits in `held`. */
export function holding(reply: Reply): { readonly held: (() => void)[]; readonly reply: Reply } {
  const held: (() => void)[] = []
  return { held, reply: (call, response) => void held.push(() => reply(call, response)) }
}

export const secret = () => `whsec_${randomBytes(32).toString('base64')}`
export const operator = { kind: 'system', id: null } as const
/** Of every event, as `cardText` is its text. */
export const conversation = '0196a000-0000-7000-8000-000000000001'
export const cardText = 'my card is 4111'

export async function receiver(t: TestCase, reply: Reply = ok) {
  const calls: Call[] = []
  const self = { calls, reply, url: '', port: 0 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const { headers } = request
      const position = JSON.parse(body).data.position
      const call = { id: String(headers['webhook-id']), headers, path: String(request.url), body, position }
      calls.push(call)
      self.reply(call, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  self.port = (server.address() as AddressInfo).port
  self.url = `http://127.0.0.1:${self.port}/hook`
  return self
}

const quick: WebhookLimits = {
  retryMs: [20, 20, 20],
  breakerFailures: 50,
  breakerMs: 50,
  disableMs: 3_600_000,
  standbyMs: 100,
  leaseMs: 1_500,
  graceMs: 1_000,
}

export interface More {
  readonly limits?: Partial<WebhookLimits>
  readonly allow?: string[]
  readonly resolve?: Resolve
}

/** A database, a log that is read and sequenced, and as many nodes as wanted. */
export async function world(t: TestCase) {
  const store = await withDatabase(t)
  const { db } = store
  const { log, lines } = recordingLog()
  const open = async () => {
    const own: LogReader = new LogReader({ db, url: store.url, log, node: randomUUID() })
    await own.start()
    t.teardown(() => own.stop())
    return own
  }
  const reader = await open()
  const sequencer = new Sequencer({ db, log, moved: () => reader.look() })
  sequencer.start()
  t.teardown(() => sequencer.stop())
  const rows = createWebhookStore(db)
  const redact = (event: LoggedEvent, { id, pii }: WebhookConfig) => redactEvent(event, pii, Buffer.from(id))

  return {
    db,
    rows,
    lines,
    reader,
    async emit(...types: string[]) {
      const data = { channel: 'shop', text: cardText }
      const events = types.map((type) => ({ type: type as 'note.added', actor: operator, conversation, data }))
      await db.transaction().execute((trx) => sequencer.append(trx, events))
      sequencer.poke()
    },
    /** `fresh`: with a reader that begins now and has nothing in memory. */
    async node(endpoints: WebhookConfig[], more: More & { readonly fresh?: boolean } = {}) {
      const { allow = ['127.0.0.1'], resolve, fresh = false } = more
      const egress = createEgress({ allow, ...(resolve ? { resolve } : {}) })
      t.teardown(() => egress.close())
      const hooks = createWebhooks({
        endpoints,
        db,
        reader: fresh ? await open() : reader,
        events: sequencer,
        egress,
        leases: createLeases({ store: createLeaseStore(db), node: randomUUID() }),
        redact,
        clock: systemClock,
        random: () => 0,
        log,
        limits: { ...quick, ...more.limits },
      })
      await hooks.start()
      t.teardown(() => hooks.stop())
      return { hooks, service: createWebhookService({ endpoints, db, store: rows, events: sequencer }) }
    },
  }
}

export const endpoint = (url: string, more: Partial<WebhookConfig> = {}): WebhookConfig => ({
  id: 'crm',
  url,
  secrets: [secret()],
  events: ['*'],
  pii: 'full',
  headers: {},
  timeoutSeconds: 1,
  concurrency: 2,
  enabled: true,
  ...more,
})

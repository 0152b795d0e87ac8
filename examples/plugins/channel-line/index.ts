import { PluginError, defineChannel, errorOfStatus, hmac, type InboundEvent } from '@throughline/plugin-sdk'

type Hook = { readonly events: readonly HookEvent[] }
type HookEvent = {
  readonly type: string
  readonly webhookEventId: string
  readonly timestamp: number
  readonly source?: { readonly userId?: string }
  readonly message?: { readonly id: string; readonly type: string; readonly text?: string }
}

const push = 'https://api.line.me/v2/bot/message/push'

/** One odd event among good ones becomes `unknown`; it must not throw. */
function toEvent({ type, webhookEventId: id, timestamp: at, source, message }: HookEvent): InboundEvent {
  const user = source?.userId
  if (type !== 'message' || user === undefined || message === undefined) return { id, at, type: 'unknown', note: type }
  const text = message.text ?? `[${message.type}]`
  return { id, at, type: 'message', messageId: message.id, thread: { id: user }, sender: { id: user }, text }
}

export default defineChannel({
  name: 'line',
  version: '0.1.0',
  docs: 'https://developers.line.biz/en/docs/messaging-api/',
  config: {
    type: 'object',
    required: ['token', 'secret'],
    properties: {
      token: { type: 'string', secret: true, description: 'Channel access token' },
      secret: { type: 'string', secret: true, description: 'Channel secret; LINE signs webhooks with it' },
    },
  },
  capabilities: { text: { maxLength: 5000, format: 'plain' }, receipts: 'none', idempotentSend: true },
  setup: ({ config, http, clock }) => ({
    webhook: {
      verify: hmac({ header: 'x-line-signature', algorithm: 'sha256', encoding: 'base64', secret: config.secret }),
      parse: (request) => request.json<Hook>().events.map(toEvent),
    },
    async send(part, { signal }) {
      const json = { to: part.thread.id, messages: [{ type: 'text', text: part.text }] }
      const headers = { 'x-line-retry-key': part.idempotencyKey }
      const answer = await http.post(push, { bearer: config.token, headers, json, signal, allowStatus: true })
      // 409: LINE has accepted this retry key before, so the message is there.
      const failure = answer.status === 409 ? undefined : errorOfStatus(answer, clock.now())
      if (failure) throw failure
      const [sent] = answer.json<{ readonly sentMessages: readonly { readonly id: string }[] }>().sentMessages
      if (sent === undefined) throw new PluginError('uncertain', 'LINE answered without the id of the message')
      return { externalId: sent.id }
    },
  }),
})

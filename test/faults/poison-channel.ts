import { setTimeout as delay } from 'node:timers/promises'
import { defineChannel, standardWebhooks, type InboundEvent } from '@throughline/plugin-sdk'

/** A channel whose parser and sender do terrible things when a text asks for them. Only for the fault suite. */
export default defineChannel({
  name: 'channel-poison',
  version: '0.1.0',
  title: 'Poison',
  config: {
    type: 'object',
    required: ['secret'],
    properties: { secret: { type: 'string', secret: true } },
  } as const,
  capabilities: { text: { maxLength: 1_000, format: 'plain' }, receipts: 'none' },
  setup: (context) => ({
    webhook: {
      verify: standardWebhooks({ secret: String(context.config.secret) }),
      parse(request) {
        const { events } = JSON.parse(request.body.toString()) as { events: (InboundEvent & { text: string })[] }
        for (const { text } of events) misbehave(text)
        return events
      },
    },
    async send(part) {
      await delay(1)
      misbehave(part.text)
      return { externalId: part.id }
    },
  }),
})

function misbehave(text: string): void {
  if (text.includes('abort')) process.abort()
  if (text.includes('exit')) process.exit(1)
  if (text.includes('kill')) process.kill(process.pid, 'SIGKILL')
  if (text.includes('throw')) throw new Error('poison')
  if (text.includes('loop')) for (;;);
}

import { contentId, defineChannel, isPluginError, standardWebhooks } from '@throughline/plugin-sdk'
import type { Channel, CheckResult, InboundEvent, OutboundPart, Reply } from '@throughline/plugin-sdk'
import { config } from './config.js'
import type { HttpContext } from './config.js'
import { externalIdOf, post, withLinks } from './deliver.js'
import { parse } from './parse.js'

const media = { mime: ['*/*'], maxBytes: 100 * 1024 * 1024, caption: 4000, by: 'either' } as const

/** Tells the other system at once which events did not fit; they are stored as unknown all the same. */
function reply(events: readonly InboundEvent[]): Reply {
  const problems = events.flatMap((event) => (event.type === 'unknown' ? [{ id: event.id, problem: event.note }] : []))
  return { status: 200, body: { received: events.length, problems } }
}

function dataOf(part: OutboundPart, context: HttpContext): Readonly<Record<string, unknown>> {
  const { id, idempotencyKey, thread, text, content, replyTo, references, subject, replyToken, author } = part
  const linked = withLinks(content, context)
  return { id, idempotencyKey, thread, text, content: linked, replyTo, references, subject, replyToken, author }
}

function setup(context: HttpContext): Channel {
  const { secret, previousSecret } = context.config
  return {
    webhook: {
      verify: standardWebhooks({ secret: previousSecret === undefined ? secret : [secret, previousSecret] }),
      parse,
      reply,
    },
    send: async (part, { signal }) => {
      const answer = await post(context, { id: part.id, type: 'message.send', data: dataOf(part, context) }, signal)
      const externalId = externalIdOf(answer) ?? part.id
      return answer['status'] === 'delivered' ? { externalId, status: 'delivered' } : { externalId }
    },
    edit: async (ref, part, { signal }) => {
      const data = { ...dataOf(part, context), target: ref.externalId }
      await post(context, { id: part.id, type: 'message.edit', data }, signal)
    },
    remove: async (ref, { signal }) => {
      const id = contentId('remove', `${ref.thread.id} ${ref.externalId}`)
      await post(context, { id, type: 'message.remove', data: { thread: ref.thread, target: ref.externalId } }, signal)
    },
  }
}

/** A signed `ping`: any 2xx is well. */
async function check(context: HttpContext): Promise<CheckResult> {
  try {
    const id = contentId('ping', String(context.clock.now()))
    await post(context, { id, type: 'ping', data: {} }, context.signal)
    return { ok: true, account: new URL(context.config.deliverUrl).host }
  } catch (error) {
    if (!isPluginError(error)) throw error
    return { ok: false, detail: `${error.code}: ${error.message}` }
  }
}

export default defineChannel({
  name: 'channel-http',
  version: '0.1.0',
  title: 'HTTP',
  docs: 'README.md',
  config,
  capabilities: {
    text: { maxLength: 10_000, format: 'markdown' },
    media: { image: media, audio: media, video: media, file: media, voice: media, sticker: media },
    choices: { max: 100, maxLabel: 200, url: true },
    location: 'full',
    card: 'full',
    carousel: { maxCards: 20 },
    contact: 'full',
    template: 'full',
    replyTo: 'full',
    edit: 'full',
    remove: 'full',
    receipts: 'read',
    idempotentSend: true,
    ordered: true,
    proactive: 'always',
  },
  setup,
  check,
})

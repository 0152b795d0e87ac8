import { defineChannel } from '@throughline/plugin-sdk'
import { config } from './config.js'
import { endpoints } from './endpoints.js'
import { MAX_TEXT } from './incoming.js'
import { OpenStreams } from './open-streams.js'

const MAX_MEDIA = 50 * 1024 * 1024

/** Web chat: the customers' client reads its thread from this engine, so the timeline itself is the network. */
export default defineChannel({
  name: 'channel-webchat',
  version: '0.1.0',
  title: 'Web chat',
  docs: 'README.md',
  config,
  capabilities: {
    text: { maxLength: MAX_TEXT, format: 'markdown' },
    media: {
      image: { mime: ['image/*'], maxBytes: MAX_MEDIA, caption: 1000, by: 'url' },
      audio: { mime: ['audio/*'], maxBytes: MAX_MEDIA, caption: 1000, by: 'url' },
      video: { mime: ['video/*'], maxBytes: MAX_MEDIA, caption: 1000, by: 'url' },
      file: { mime: ['*/*'], maxBytes: MAX_MEDIA, caption: 1000, by: 'url' },
    },
    choices: { max: 10, maxLabel: 80, url: true, maxText: MAX_TEXT },
    location: 'full',
    card: 'full',
    carousel: 'full',
    typing: true,
    receipts: 'read',
    idempotentSend: true,
    ordered: true,
    proactive: 'always',
  },
  setup(context) {
    const streams = new OpenStreams()
    context.signal.addEventListener('abort', () => streams.wakeAll(), { once: true })
    return {
      endpoints: endpoints({ context, streams }),
      // The part stands in the timeline already and the page reads it from there. Nothing goes out, so nothing can be
      // sent twice; delivered and read come from the page itself.
      send: async (part) => ({ externalId: part.id, status: 'sent' }),
      typing: async (thread, on) => streams.typing(thread.id, on),
    }
  },
})

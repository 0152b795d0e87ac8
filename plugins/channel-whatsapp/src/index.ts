import { defineChannel } from '@throughline/plugin-sdk'
import { check, createChannel } from './channel.js'
import { config } from './config.js'

const megabyte = 1024 * 1024
const caption = 1024

export default defineChannel({
  name: 'channel-whatsapp',
  version: '0.1.0',
  title: 'WhatsApp',
  docs: 'README.md',
  config,
  capabilities: {
    text: { maxLength: 4096, format: 'markdown' },
    media: {
      image: { mime: ['image/jpeg', 'image/png'], maxBytes: 5 * megabyte, caption, by: 'either' },
      video: { mime: ['video/mp4', 'video/3gpp'], maxBytes: 16 * megabyte, caption, by: 'either' },
      audio: {
        mime: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'],
        maxBytes: 16 * megabyte,
        by: 'either',
      },
      voice: { mime: ['audio/ogg'], maxBytes: 16 * megabyte, by: 'either' },
      file: { mime: ['*/*'], maxBytes: 100 * megabyte, caption, by: 'either' },
      sticker: { mime: ['image/webp'], maxBytes: 100 * 1024, by: 'either' },
    },
    // Three as buttons (20 characters), up to ten as a list (24): the shorter label fits both.
    choices: { max: 10, maxLabel: 20, url: false, maxText: 1024 },
    location: 'full',
    contact: 'full',
    template: 'full',
    replyTo: 'full',
    react: 'full',
    card: 'fallback',
    carousel: 'fallback',
    typing: true,
    receipts: 'read',
    ordered: false,
    proactive: { windowMs: 24 * 3_600_000, after: 'template' },
    rate: { perSecond: 80 },
  },
  setup: createChannel,
  check,
})

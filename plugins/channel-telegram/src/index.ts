import { defineChannel } from '@throughline/plugin-sdk'
import { check, createChannel } from './channel.js'
import { config } from './config.js'

const megabyte = 1024 * 1024
const caption = 1024

export default defineChannel({
  name: 'channel-telegram',
  version: '0.1.0',
  title: 'Telegram',
  docs: 'README.md',
  config,
  capabilities: {
    text: { maxLength: 4096, format: 'markdown' },
    media: {
      image: { mime: ['image/*'], maxBytes: 10 * megabyte, caption, by: 'either' },
      video: { mime: ['video/mp4'], maxBytes: 50 * megabyte, caption, by: 'either' },
      audio: { mime: ['audio/mpeg', 'audio/mp4'], maxBytes: 50 * megabyte, caption, by: 'either' },
      voice: { mime: ['audio/ogg', 'audio/mpeg', 'audio/mp4'], maxBytes: 50 * megabyte, caption, by: 'either' },
      file: { mime: ['*/*'], maxBytes: 50 * megabyte, caption, by: 'either' },
      sticker: { mime: ['image/webp'], maxBytes: megabyte / 2, by: 'either' },
    },
    choices: { max: 100, maxLabel: 64, url: true, maxText: 4096 },
    location: 'full',
    contact: 'full',
    replyTo: 'full',
    thread: 'full',
    edit: 'full',
    remove: 'partial',
    react: {
      allowed: [
        '👍',
        '👎',
        '❤',
        '🔥',
        '🥰',
        '👏',
        '😁',
        '🤔',
        '😢',
        '🎉',
        '🙏',
        '👌',
        '😍',
        '💯',
        '⚡',
        '🤝',
        '🤗',
        '😎',
        '👀',
      ],
    },
    card: 'fallback',
    carousel: 'fallback',
    typing: true,
    receipts: 'none',
    ordered: true,
    proactive: 'always',
    rate: { perSecond: 30, perThread: 1, burst: 5 },
  },
  setup: createChannel,
  check,
})

import { type Capabilities, defineChannel } from '@throughline/plugin-sdk'
import { checkAccounts, createChannel } from './channel.js'
import { schema } from './settings.js'

const MAX_FILE = 20 * 1024 * 1024
const anyFile = { mime: ['*/*'], maxBytes: MAX_FILE, caption: 100_000, by: 'bytes' } as const

const capabilities: Capabilities = {
  text: { maxLength: 1_000_000, format: 'markdown' },
  media: { image: anyFile, audio: anyFile, video: anyFile, file: anyFile, voice: anyFile, sticker: anyFile },
  card: 'fallback',
  carousel: 'fallback',
  replyTo: 'full',
  thread: 'full',
  // A mail that was handed over may still bounce; there is no news of good deliveries.
  receipts: 'sent',
  proactive: 'always',
}

/** E-mail: an SMTP listener and IMAP for what comes in, SMTP for the answers. */
export default defineChannel({
  name: 'channel-email',
  version: '0.1.0',
  title: 'E-mail',
  docs: 'README.md',
  config: schema,
  capabilities,
  setup: (context) => createChannel(context),
  check: (context) => checkAccounts(context),
})

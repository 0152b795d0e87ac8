import { test } from 'tap'
import { channelConformance, type Behaviour, type Upstream, type UpstreamCall } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { parseMail } from '../src/parse-mail.js'
import { SmtpSink } from './support/smtp-sink.js'

/** The kit's pretended network, speaking SMTP: a status of the web becomes the reply that means the same. */
async function smtpUpstream(): Promise<Upstream> {
  const sink = new SmtpSink()
  const port = await sink.listen()
  const calls: UpstreamCall[] = []
  sink.onMail = async ({ raw, to }) => {
    const { text } = await parseMail(raw)
    calls.push({ method: 'DATA', path: to.join(), headers: {}, body: text ?? '' })
  }
  return {
    base: `smtp://127.0.0.1:${port}`,
    calls,
    behave(behaviour: Behaviour) {
      const status = typeof behaviour === 'object' ? (behaviour.status ?? 200) : 200
      sink.afterData = behaviour === 'hang' ? 'hang' : behaviour === 'reset' ? 'cut' : 'accept'
      sink.reply =
        status === 401
          ? { at: 'auth', code: 535, text: '5.7.8 no' }
          : status >= 500
            ? { at: 'mail', code: 451, text: '4.3.0 later' }
            : null
    },
    close: () => sink.close(),
  }
}

test('the plugin keeps the contract of channels', async (t) => {
  const report = await channelConformance(t, plugin, {
    root: new URL('../../', import.meta.url),
    config: (upstream) => ({
      address: 'support@example.com',
      smtp: { listen: '127.0.0.1:0' },
      outgoing: {
        host: '127.0.0.1',
        port: Number(new URL(upstream).port),
        requireTls: false,
        user: 'me',
        password: 'not-to-be-shown',
      },
    }),
    invalidConfig: [
      { config: {}, path: '/address' },
      { config: { address: 'a@b.c', outgoing: {} }, path: '/outgoing/host' },
      { config: { address: 'a@b.c', smtp: { maxBytes: 1 } }, path: '/smtp/maxBytes' },
      { config: { address: 'a@b.c', adress: 'x' }, path: '/adress' },
    ],
    requests: {},
    upstream: smtpUpstream,
    thread: 'ann@example.org',
    messageId: 'm1@example.org',
    skip: { O4: 'the cases are statuses of HTTP; send.test.ts has the replies of SMTP' },
  })
  t.strictSame(report.failed, [])
})

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { test } from 'tap'
import { outboundPart } from '@throughline/plugin-sdk/testing'
import { instance, plain } from './support/mail.js'

/** A key and a certificate nobody signed; null where openssl is not there. */
function selfSigned(folder: string): { readonly keyFile: string; readonly certFile: string } | null {
  const files = { keyFile: join(folder, 'key.pem'), certFile: join(folder, 'cert.pem') }
  const options = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
  ]
  try {
    execFileSync('openssl', ['req', '-x509', ...options, '-keyout', files.keyFile, '-out', files.certFile], {
      stdio: 'ignore',
    })
    return files
  } catch {
    return null
  }
}

test('with a certificate the listener speaks TLS, from the first byte or after STARTTLS', async (t) => {
  const files = selfSigned(t.testdir())
  if (files === null) return t.pass('left out: openssl is not there to make a certificate')
  for (const secure of [true, false]) {
    const { host, channel } = await instance({ smtp: { listen: '127.0.0.1:0', secure, ...files } })
    await channel.start?.()
    const port = Number((await channel.health?.())?.detail?.split(':').at(-1))
    const client = createTransport({
      host: '127.0.0.1',
      port,
      secure,
      requireTLS: !secure,
      tls: { rejectUnauthorized: false },
    })
    await client.sendMail({ envelope: { from: 'ann@example.org', to: ['support@example.com'] }, raw: plain() })
    t.equal(host.accepted.length, 1, secure ? 'from the first byte' : 'STARTTLS')
    client.close()
    await channel.stop?.()
  }
})

test('an outgoing server with a certificate nobody trusts gets nothing', async (t) => {
  const files = selfSigned(t.testdir())
  if (files === null) return t.pass('left out: openssl is not there to make a certificate')
  for (const secure of [true, false]) {
    const receiver = await instance({ smtp: { listen: '127.0.0.1:0', secure, ...files } }, 'receiver')
    await receiver.channel.start?.()
    const port = Number((await receiver.channel.health?.())?.detail?.split(':').at(-1))
    const { channel } = await instance({ address: 'other@example.net', outgoing: { host: '127.0.0.1', port, secure } })
    const part = outboundPart({ type: 'text', text: 'x' }, { thread: { id: 'support@example.com' } })
    await t.rejects(channel.send(part, { signal: new AbortController().signal, attempt: 1 }), {
      code: 'config',
      message: /certificate|TLS/,
    })
    t.equal(receiver.host.accepted.length, 0)
    await channel.stop?.()
    await receiver.channel.stop?.()
  }
})

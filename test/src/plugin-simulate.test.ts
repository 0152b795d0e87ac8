import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { throughline } from './support/cli.js'
import { whatsAppText } from './support/providers.js'
import { makeWorkplace } from './support/workplace.js'

// Nobody listens at these addresses, and no PostgreSQL is given: a simulation needs neither.
const config = {
  version: 1,
  channels: {
    whatsapp: {
      use: 'channel-whatsapp',
      kind: 'messaging',
      config: {
        phoneNumberId: '4711',
        accessToken: '${SECRET}',
        appSecret: '${SECRET}',
        verifyToken: '${SECRET}',
        apiBase: 'http://127.0.0.1:9/v25.0',
      },
    },
    telegram: {
      use: 'channel-telegram',
      kind: 'messaging',
      config: { botToken: '${TELEGRAM_TOKEN}', secretToken: '${SECRET}' },
    },
    api: {
      use: 'channel-http',
      kind: 'messaging',
      config: { secret: '${SECRET}', deliverUrl: 'http://127.0.0.1:9/deliver' },
    },
    chat: { use: 'channel-webchat', kind: 'webchat' },
    mail: { use: 'channel-email', kind: 'email', config: { address: 'support@example.com' } },
  },
}
const env = {
  SECRET: 'a-secret-of-forty-characters-or-so-12345',
  TELEGRAM_TOKEN: '123456789:AAHfake-token_of-35-characters-0000',
}

const payloads: Readonly<Record<string, object>> = {
  whatsapp: whatsAppText({ phoneNumberId: '4711', from: '4915155501', id: 'wamid.A1', text: 'Is the lamp in stock?' }),
  telegram: {
    update_id: 900001,
    message: {
      message_id: 12,
      date: 1_790_000_000,
      chat: { id: 5551, type: 'private', first_name: 'Rosa' },
      from: { id: 5551, is_bot: false, first_name: 'Rosa', language_code: 'es' },
      text: 'Is the lamp in stock?',
    },
  },
  api: {
    events: [
      { id: 'e-1', type: 'message', thread: { id: 'room-7' }, sender: { id: 'u-9' }, text: 'Is the lamp in stock?' },
    ],
  },
}

for (const [channel, payload] of Object.entries(payloads)) {
  test(`a payload can be tried out on ${channel} without network and database`, async (t) => {
    const place = await makeWorkplace(config)
    t.teardown(() => place.remove())
    const file = join(place.dir, `${channel}.json`)
    await writeFile(file, JSON.stringify(payload))
    const simulate = ['plugin', 'simulate', channel, file, '--config', place.configFile]
    const signed = await throughline([...simulate, '--sign'], { cwd: place.dir, env })
    t.equal(signed.code, 0, `${signed.stdout}${signed.stderr}`)
    const result = JSON.parse(signed.stdout) as { verification: string; events: Record<string, any>[]; error: unknown }
    t.equal(result.verification, 'ok')
    t.equal(result.error, null)
    t.equal(result.events.length, 1)
    t.equal(result.events[0]?.['type'], 'message')
    t.equal(result.events[0]?.['text'], 'Is the lamp in stock?')
    t.notMatch(signed.stdout, env.SECRET)

    const unsigned = await throughline(simulate, { cwd: place.dir, env })
    t.equal(unsigned.code, 1, `${unsigned.stdout}${unsigned.stderr}`)
    t.equal((JSON.parse(unsigned.stdout) as { verification: string }).verification, 'missing')
  })
}

for (const channel of ['chat', 'mail']) {
  test(`${channel} takes no webhooks, and a simulation says so in one line`, async (t) => {
    const place = await makeWorkplace(config)
    t.teardown(() => place.remove())
    const file = join(place.dir, 'payload.json')
    await writeFile(file, '{}')
    const { code, stderr } = await throughline(['plugin', 'simulate', channel, file, '--config', place.configFile], {
      cwd: place.dir,
      env,
    })
    t.equal(code, 1, stderr)
    t.match(stderr, /^throughline: .*no webhook.*\(TL_CHANNEL_UNSUPPORTED\)\n$/)
  })
}

test('what a payload file lacks is told with the event, not with a crash', async (t) => {
  const place = await makeWorkplace(config)
  t.teardown(() => place.remove())
  const file = join(place.dir, 'payload.json')
  await writeFile(file, '{"events": [{"id": "e-1", "type": "message"')
  const { code, stdout, stderr } = await throughline(
    ['plugin', 'simulate', 'api', file, '--sign', '--config', place.configFile],
    { cwd: place.dir, env },
  )
  t.equal(code, 1, `${stdout}${stderr}`)
  t.match((JSON.parse(stdout) as { error: string }).error, /JSON/)
})

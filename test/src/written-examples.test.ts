import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { throughline } from './support/cli.js'
import { defaultConfig, repository } from './support/repository.js'
import { makeWorkplace } from './support/workplace.js'

// What is written down to be copied has to work when it is copied.

/** Values of the shape the plugins ask for; anything else gets a long text. */
const shaped: Readonly<Record<string, string>> = {
  WHATSAPP_PHONE_NUMBER_ID: '123456789012345',
  TELEGRAM_TOKEN: '123456789:AAHfake-token_of-35-characters-0000',
  TELEGRAM_BOT_TOKEN: '123456789:AAHfake-token_of-35-characters-0000',
  PORT: '8080',
}

/** Checks a configuration as an operator would, with every variable it names set. */
async function checked(t: Test, name: string, text: string): Promise<void> {
  const place = await makeWorkplace(text)
  t.teardown(() => place.remove())
  const secretFile = join(place.dir, 'secret')
  await writeFile(secretFile, 'a-secret-of-forty-characters-or-so-12345\n')
  const own = text.replaceAll(/\$\{file:[^}]+\}/g, `\${file:${secretFile}}`)
  await writeFile(place.configFile, own)
  const names = [...own.matchAll(/\$\{([A-Z0-9_]+)\}/g)].map((match) => String(match[1]))
  const env = Object.fromEntries(
    names.map((variable) => [variable, shaped[variable] ?? 'a-secret-of-forty-characters-or-so-12345']),
  )
  const { code, stdout, stderr } = await throughline(['check', '--json', '--config', place.configFile], { env })
  const { problems } = JSON.parse(stdout || '{"problems":[]}') as {
    problems: { severity: string; path: string; message: string; remedy: string }[]
  }
  const errors = problems.filter((problem) => problem.severity === 'error')
  t.same(
    errors.map(({ path, message, remedy }) => `${path}: ${message}: ${remedy}`),
    [],
    name,
  )
  t.equal(code, 0, `${name}${stderr}`)
}

test('the channels that the delivered file proposes in comments are right when they are switched on', async (t) => {
  const text = readFileSync(defaultConfig, 'utf8')
  const [before = '', rest = ''] = text.split(/^channels:$/m)
  const [channels = '', after = ''] = rest.split(/^(?=# Who a customer is)/m)
  const switchedOn = channels.replaceAll(/^ {2}# ?(?=\w|\s)/gm, '  ')
  t.match(switchedOn, /^ {2}whatsapp:$[^]*^ {2}telegram:$[^]*^ {2}api:/m)
  await checked(t, 'config/throughline.yaml', `${before}channels:${switchedOn}${after}`)
})

/** The rule files beside the configuration name these. */
const queues = `
queues: { support: { teams: [all] }, sales: { teams: [all] }, billing: { teams: [all] } }
teams: { all: {} }
calendars: { office: { timeZone: UTC, weekly: { mon: ['09:00-17:00'] } } }
agents: { ada: { name: Ada, email: ada@localhost.example, teams: [all] } }
`

for (const plugin of readdirSync(join(repository, 'plugins'))) {
  const text = readFileSync(join(repository, 'plugins', plugin, 'README.md'), 'utf8')
  const blocks = [...text.matchAll(/^```ya?ml\n([^]*?)^```$/gm)].map((match) => String(match[1]))
  if (blocks.length === 0) continue

  test(`the README of ${plugin} shows settings that are right when they are copied`, async (t) => {
    for (const [n, block] of blocks.entries()) {
      // Some show the settings of the entry shown above alone.
      const whole = block.startsWith('config:')
        ? `channels:\n  it:\n    use: ${plugin}\n${block.replaceAll(/^(?=.)/gm, '    ')}`
        : block
      await checked(t, `example ${n + 1}`, `version: 1\n${whole}${queues}`)
    }
  })
}

test('the rule files of the guide on promises are right when they are copied', async (t) => {
  const text = readFileSync(join(repository, 'docs', 'guides', 'sla.md'), 'utf8')
  const [sla, escalation] = [...text.matchAll(/^```json\n([^]*?)^```$/gm)].map((match) => String(match[1]))
  const place = await makeWorkplace(readFileSync(defaultConfig, 'utf8'))
  t.teardown(() => place.remove())
  await writeFile(join(place.dir, 'config', 'rules', 'sla.json'), sla ?? '')
  await writeFile(join(place.dir, 'config', 'rules', 'escalation.json'), escalation ?? '')
  const { code, stdout, stderr } = await throughline(['check', '--config', place.configFile])
  t.equal(code, 0, stdout + stderr)
})

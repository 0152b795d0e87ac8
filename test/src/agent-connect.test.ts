import { spawn } from 'node:child_process'
import tap, { test } from 'tap'
import { throughline } from './support/cli.js'
import { startEngineProcess, type EngineProcess, type TestWithTeardown } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { cliFile, repository } from './support/repository.js'
import { openChat, textOf } from './support/visitor.js'

tap.setTimeout(180_000)

/** `throughline agent connect` with somebody at the keys. */
function openTerminal(t: TestWithTeardown, engine: EngineProcess, code: string) {
  const child = spawn(process.execPath, [cliFile, 'agent', 'connect', '--url', engine.url, '--code', code], {
    cwd: repository,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => void child.kill('SIGKILL'))
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    /** Waits for the text on the screen and answers what it caught. */
    sees: (what: RegExp) => eventually(String(what), () => what.exec(shown), { tell: () => shown }),
    types: (line: string) => child.stdin.write(`${line}\n`),
    ended,
  }
}

test('at the terminal an agent sees who waits, accepts, answers the right customer, and finds the work again later', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const engine = await startEngineProcess(t, { databaseUrl })
  const parcel = await openChat(engine.url)
  const invoice = await openChat(engine.url)
  await parcel.say('Where is my parcel?')
  await invoice.say('My invoice is wrong')

  const terminal = openTerminal(t, engine, engine.signInCode)
  await terminal.sees(/Signed in as ada, online/)
  await terminal.sees(/\[\d\] offer from webchat: "Where is my parcel\?"/)
  const [, number] = await terminal.sees(/\[(\d)\] offer from webchat: "My invoice is wrong"/)
  terminal.types('hello?')
  await terminal.sees(/no conversation: accept an offer first/)

  terminal.types(`a ${number}`)
  await terminal.sees(new RegExp(`\\[${number}\\] is yours[^\\n]*\\n  webchat < My invoice is wrong`))
  terminal.types('We send a new one.')
  await eventually('the answer in the chat', async () =>
    (await invoice.messages()).map(textOf).includes('We send a new one.'),
  )

  terminal.types('accept')
  const [, other] = await terminal.sees(/\[(\d)\] is yours[^\n]*\n {2}webchat < Where is my parcel\?/)
  terminal.types('It comes tomorrow.')
  await eventually('the answer in the other', async () =>
    (await parcel.messages()).map(textOf).includes('It comes tomorrow.'),
  )
  await invoice.say('Thank you')
  await terminal.sees(new RegExp(`\\[${number}\\] webchat < Thank you`))
  terminal.types('/go 7')
  await terminal.sees(/none of your conversations/)
  terminal.types(`/go ${number}`)
  await terminal.sees(/webchat > Ada: We send a new one\.\n {2}webchat < Thank you/)
  terminal.types('/resolve')
  await terminal.sees(new RegExp(`\\[${number}\\] resolved; what you type goes to \\[${other}\\]`))
  terminal.types('/quit')
  t.equal(await terminal.ended, 0)

  const again = await throughline(['agent', 'connect', '--url', engine.url, '--code', engine.signInCode])
  t.match(again.stderr, /used already; `npx throughline agent code <id>` makes a new one/)
  const made = await throughline(['agent', 'code', 'ada'], { env: { DATABASE_URL: databaseUrl } })
  const later = openTerminal(t, engine, /\w{4}-\w{4}-\w{4}/.exec(made.stdout)?.[0] ?? 'no code')
  await later.sees(/\[1\] is yours[^\n]*\n {2}webchat < Where is my parcel\?/)
  later.types('It is with you at ten.')
  await eventually('the later answer', async () =>
    (await parcel.messages()).map(textOf).includes('It is with you at ten.'),
  )
  later.types('/quit')
  t.equal(await later.ended, 0)
})

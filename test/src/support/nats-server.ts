import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestWithTeardown } from './engine.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'

const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin']
const program = folders.map((folder) => join(folder, 'nats-server')).find((file) => existsSync(file))

/** For `test(name, { skip }, …)`: false where the server is there, else the reason. */
export const withoutNats = program === undefined && 'nats-server is not installed: apt-get install nats-server'

export interface NatsServer {
  readonly url: string
  /** SIGKILL, as a machine dies. */
  kill(): Promise<void>
  /** At the same address. */
  start(): Promise<void>
  /** Listens to a subject as somebody else on the network; answers what was said so far. */
  overhear(subject: string): Promise<{ text(): string }>
}

/** A real NATS server, gone when the test is over. */
export async function startNats(t: TestWithTeardown): Promise<NatsServer> {
  const port = await freePort()
  let child: ChildProcess | null = null
  const kill = async (): Promise<void> => {
    const running = child
    child = null
    if (running === null || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('close', resolve))
    running.kill('SIGKILL')
    await ended
  }
  const start = async (): Promise<void> => {
    child = spawn(program ?? 'nats-server', ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
    child.on('error', () => undefined)
    await eventually('nats-server to answer', () => answers(port))
  }
  t.teardown(kill)
  process.once('exit', () => child?.kill('SIGKILL'))
  await start()
  return {
    url: `nats://127.0.0.1:${port}`,
    kill,
    start,
    async overhear(subject) {
      const socket = connect(port, '127.0.0.1').setEncoding('utf8')
      let text = ''
      socket.on('error', () => undefined)
      socket.on('data', (chunk: string) => {
        text += chunk
        if (chunk.includes('PING')) socket.write('PONG\r\n')
      })
      t.teardown(() => socket.destroy())
      socket.write(`CONNECT {"verbose":false}\r\nSUB ${subject} 1\r\nPING\r\n`)
      await eventually('the subscription', () => text.includes('PONG'))
      return { text: () => text }
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}

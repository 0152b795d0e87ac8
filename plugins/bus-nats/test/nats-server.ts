import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin']
export const natsServer = folders.map((folder) => join(folder, 'nats-server')).find((file) => existsSync(file))

/** For `test(name, { skip }, …)`: false where the server is there, else the reason. */
export const withoutNats = natsServer === undefined && 'nats-server is not installed: apt-get install nats-server'

export interface NatsServer {
  readonly url: string
  /** SIGKILL, as a machine dies. */
  stop(): Promise<void>
  /** At the same address. */
  start(): Promise<void>
}

/** A real NATS server on a port of its own, gone when the test is over. */
export async function startNats(
  t: { teardown(run: () => unknown): void },
  flags: readonly string[] = [],
): Promise<NatsServer> {
  const port = await freePort()
  let child: ChildProcess | null = null
  const stop = async (): Promise<void> => {
    const running = child
    child = null
    if (running === null || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('close', resolve))
    running.kill('SIGKILL')
    await ended
  }
  const start = async (): Promise<void> => {
    if (child !== null) return
    child = spawn(natsServer ?? 'nats-server', ['-a', '127.0.0.1', '-p', String(port), ...flags], { stdio: 'ignore' })
    child.on('error', () => undefined)
    for (let i = 0; !(await answers(port)); i++) {
      if (i > 500 || child.exitCode !== null) throw new Error('nats-server does not start')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  t.teardown(stop)
  process.once('exit', () => child?.kill('SIGKILL'))
  await start()
  return { url: `nats://127.0.0.1:${port}`, stop, start }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (yes: boolean) => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test, type Test } from 'tap'
import { startAgent } from './support/agent.js'
import { eventually, within } from './support/eventually.js'
import { freePort } from './support/free-port.js'
import { repository } from './support/repository.js'
import { openChat } from './support/visitor.js'

tap.setTimeout(240_000)

interface Cluster {
  readonly url: string
  readonly code: string
  readonly nodes: Readonly<Record<string, { readonly url: string; readonly pid: number }>>
  output(): string
  /** SIGTERM to the command; answers its exit code. */
  stop(): Promise<number | null>
}

/** The example as its README says to start it, on a PostgreSQL of its own. */
async function startCluster(t: Test): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), 'throughline-cluster-'))
  await chmod(dir, 0o711)
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
  const port = await freePort()
  const child: ChildProcess = spawn(process.execPath, [join(repository, 'examples/cluster/start.js')], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PORT: String(port), CLUSTER_DIR: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  let over = false
  const ended = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      over = true
      resolve(code)
    }),
  )
  const stop = async (): Promise<number | null> => {
    if (!over) child.kill('SIGTERM')
    return within(60_000, `the end of the cluster\n${text}`, ended)
  }
  t.teardown(stop)
  await eventually('the cluster to be ready', () => over || /\[cluster\] agent:/.test(text), {
    patienceMs: 120_000,
    tell: () => text,
  })
  if (over) throw new Error(`the cluster ended:\n${text}`)
  const found = [...text.matchAll(/^\[(node-\d)\] (http\S+) \S+ pid (\d+)$/gm)]
  return {
    url: `http://127.0.0.1:${port}`,
    code: /--code (\S+)/.exec(text)?.[1] ?? '',
    nodes: Object.fromEntries(found.map(([, name, url, pid]) => [name, { url: url ?? '', pid: Number(pid) }])),
    output: () => text,
    stop,
  }
}

test('the cluster example: any node takes and shows everything, and any one may be killed', async (t) => {
  const cluster = await startCluster(t)
  t.same(Object.keys(cluster.nodes), ['node-1', 'node-2', 'node-3'])
  const two = cluster.nodes['node-2']!

  const viaBalancer = await startAgent(t, { url: cluster.url, signInCode: cluster.code })
  const atNodeTwo = await startAgent(t, { url: two.url, signInCode: '' }, { token: viaBalancer.token })
  const visitor = await openChat(cluster.nodes['node-1']!.url)
  await visitor.say('hello cluster')
  for (const agent of [viaBalancer, atNodeTwo]) {
    await agent.event('the message', (event) => event.t === 'message.inbound')
  }
  const offer = await viaBalancer.event('the offer', (event) => event.t === 'offer.created')
  await viaBalancer.command('offer.accept', { offerId: offer.d.offerId })
  await viaBalancer.command('message.send', { conversation: offer.d.conversation, body: 'hello from the cluster' })
  await eventually('the answer in the chat', async () =>
    (await visitor.messages()).some((one) => one.direction === 'out'),
  )

  process.kill(two.pid, 'SIGKILL')
  await eventually('the balancer to leave it out', () => cluster.output().includes('node-2 is left out'))
  const other = await openChat(cluster.url)
  await other.say('is anybody there')
  await visitor.say('still me')
  // Applied by node-3, shown by node-1, over a socket that may have had to move.
  await eventually(
    'both messages at the agent',
    () => viaBalancer.events.filter((event) => event.t === 'message.inbound').length >= 3,
    { patienceMs: 90_000, tell: () => `${viaBalancer.states.join(', ')}\n${cluster.output().slice(-2000)}` },
  )
  const texts = viaBalancer.events.filter((event) => event.t === 'message.inbound').map((event) => event.d.messageId)
  t.equal(new Set(texts).size, 3, 'each once')
  t.equal(await cluster.stop(), 0, 'it ends in good order')
})

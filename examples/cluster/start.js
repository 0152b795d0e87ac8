// Three nodes of one installation behind a load balancer, with one command:
//   node examples/cluster/start.js
// They share one PostgreSQL (their own embedded one, or DATABASE_URL) and one folder for files. Ctrl-C stops all of it.
import { spawn } from 'node:child_process'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startBalancer } from './balancer.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const config = resolve(process.env.THROUGHLINE_CONFIG ?? join(root, 'config/throughline.yaml'))
const folder = resolve(process.env.CLUSTER_DIR ?? join(root, 'data/cluster'))
const host = process.env.HOST ?? '127.0.0.1'
const port = Number(process.env.PORT ?? 8080)

// Any one of them can go: two serve the web, two do the work.
const nodes = [
  { name: 'node-1', roles: ['web'] },
  { name: 'node-2', roles: ['web', 'worker'] },
  { name: 'node-3', roles: ['worker'] },
]
const running = new Set()
let stopping = false

const say = (name, line) => process.stdout.write(`[${name}] ${line}\n`)

for (const node of nodes) node.port = await freePort()
for (const node of nodes) await prepare(node)
// The first one makes the database; the others find it.
const codes = []
for (const node of nodes) codes.push(await start(node))

const balancer = await startBalancer(
  nodes.filter((node) => node.roles.includes('web')),
  { host, port, log: (line) => say('balancer', line) },
)
while (balancer.healthy().length === 0) await new Promise((done) => setTimeout(done, 100))
const url = `http://${host}:${balancer.port}`
for (const node of nodes) say(node.name, `http://127.0.0.1:${node.port} ${node.roles.join('+')} pid ${node.child.pid}`)
say('cluster', `ready ${url}`)
say('cluster', `agent: npx throughline agent connect --code ${codes[0]} --url ${url}`)

process.once('SIGINT', stop)
process.once('SIGTERM', stop)

/** The same configuration for all of them but for one line: what the node does. */
async function prepare(node) {
  const own = join(folder, node.name)
  await mkdir(own, { recursive: true })
  const text = await readFile(config, 'utf8')
  const roles = `roles: [${node.roles.join(', ')}]`
  const changed = /^roles:.*$/m.test(text) ? text.replace(/^roles:.*$/m, roles) : `${text}\n${roles}\n`
  node.config = join(own, 'throughline.yaml')
  await writeFile(node.config, changed)
  for (const part of ['rules', 'templates']) {
    await cp(join(dirname(config), part), join(own, part), { recursive: true, force: true }).catch((error) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
}

/** Starts a node and waits for its `ready` line; answers the one-time code that signs the first agent in. */
function start(node) {
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=32', join(root, 'core/bin/throughline.js'), 'start', '--config', node.config],
    {
      // The working folder is shared: the embedded PostgreSQL and the files lie below it.
      cwd: folder,
      env: {
        LOG_LEVEL: 'warn',
        ...process.env,
        HOST: '127.0.0.1',
        PORT: String(node.port),
        PUBLIC_URL: process.env.PUBLIC_URL ?? `http://${host}:${port}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  node.child = child
  running.add(child)
  return new Promise((ready, failed) => {
    let code
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line.trim() === '') return
        const found = /--code (\S+)/.exec(line)
        if (found) ready((code = found[1]))
        else if (code !== undefined || !/^(ready| )/.test(line)) say(node.name, line)
      })
    }
    child.once('close', (status, signal) => {
      running.delete(child)
      say(node.name, `ended (${signal ?? status})`)
      failed(new Error(`${node.name} did not start`))
      if (running.size === 0) end()
    })
  })
}

/** Nodes hand their work over and end in their own time, 25 seconds at most. */
function stop() {
  if (stopping) return
  stopping = true
  for (const child of running) child.kill('SIGTERM')
}

async function end() {
  await balancer.close()
  process.exitCode = stopping ? 0 : 1
}

async function freePort() {
  const server = createServer()
  await new Promise((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done))
  const { port: free } = server.address()
  await new Promise((done) => server.close(done))
  return free
}

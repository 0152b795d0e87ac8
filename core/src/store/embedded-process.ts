import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { open, readdir, readFile, readlink, realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Binaries } from './embedded-binaries.js'
import type { ClusterLayout } from './embedded-cluster.js'
import type { ServerUser } from './embedded-user.js'

const run = promisify(execFile)

/** What postmaster.pid says; the port is missing while the server has not come that far. */
export interface Postmaster {
  readonly pid: number
  readonly port: number | undefined
}

/** The server that lives on the data folder, or undefined. A pid that now belongs to another program does not count. */
export async function findPostmaster(layout: ClusterLayout): Promise<Postmaster | undefined> {
  const recorded = await readPostmaster(layout)
  if (recorded === undefined) return undefined
  return (await servesFolder(recorded.pid, layout.pgdata)) ? recorded : undefined
}

async function readPostmaster(layout: ClusterLayout): Promise<Postmaster | undefined> {
  const text = await readFile(join(layout.pgdata, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n')
  const pid = Number(lines[0])
  const port = Number(lines[3])
  if (!Number.isInteger(pid) || pid < 2) return undefined
  return { pid, port: Number.isInteger(port) && port > 0 ? port : undefined }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A pid alone proves nothing: it may be reused. A postmaster works in its data folder, and names it when started. */
async function servesFolder(pid: number, pgdata: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  const real = await realpath(pgdata)
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === real
  } catch {
    // No /proc on this system, or the process belongs to another user.
  }
  try {
    const { stdout } = await run('ps', ['-o', 'command=', '-p', String(pid)], { timeout: 10_000 })
    return stdout.includes('postgres') && (stdout.includes(pgdata) || stdout.includes(real))
  } catch {
    return false
  }
}

/**
 * Starts the server, detached: a Ctrl-C in the terminal is for the engine, which stops the server last, and a killed
 * engine's server lives on until the next engine adopts it. PostgreSQL's own lock file lets only one server win.
 */
export async function spawnServer(input: {
  layout: ClusterLayout
  binaries: Binaries
  user: ServerUser
  port: number
  settings: Readonly<Record<string, string>>
}): Promise<ChildProcess> {
  const { layout } = input
  // After a reboot or in a new container the recorded pid may be anybody's; PostgreSQL would refuse to start for it.
  const recorded = await readPostmaster(layout)
  if (recorded && isAlive(recorded.pid) && !(await servesFolder(recorded.pid, layout.pgdata))) {
    await rm(join(layout.pgdata, 'postmaster.pid'), { force: true })
  }
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(input.port),
    unix_socket_directories: '',
    logging_collector: 'on',
    log_directory: layout.logDir,
    log_filename: 'server-%a.log',
    log_truncate_on_rotation: 'on',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    // Failing statements and their details hold customers' text; the engine gets them as errors anyway.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    ...input.settings,
  }
  const { file, args, options } = input.user.launch(input.binaries.postgres, [
    '-D',
    layout.pgdata,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  const output = await open(layout.startLog, 'w', 0o600)
  try {
    if (input.user.ids) await output.chown(input.user.ids.uid, input.user.ids.gid)
    const child = spawn(file, args, {
      ...options,
      cwd: layout.dataDir,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: { ...process.env, LC_ALL: 'C' },
    })
    child.unref()
    // A failed spawn is reported like an early exit: the caller looks at exitCode and at the start log.
    child.on('error', () => undefined)
    return child
  } finally {
    await output.close()
  }
}

/** The last words of a server that did not come up: before its log file opened, and in it. */
export async function startLogTail(layout: ClusterLayout): Promise<string> {
  const before = await readFile(layout.startLog, 'utf8').catch(() => '')
  let after = ''
  let newest = 0
  for (const name of await readdir(layout.logDir).catch(() => [])) {
    const path = join(layout.logDir, name)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < newest) continue
    newest = mtimeMs
    after = await readFile(path, 'utf8')
  }
  // Each file's last lines suffice; of the log file only what this start can have written.
  const started = await stat(layout.startLog).then(
    (info) => info.mtimeMs,
    () => 0,
  )
  const tail = (text: string): string[] => text.trim().split('\n').slice(-6)
  return [...tail(before), ...(newest >= started ? tail(after) : [])].join('\n')
}

/**
 * Ends the server, gently first: fast shutdown, then immediate, then kill. Each is safe for the data; the later ones
 * only make the next start replay its log. Resolves true when it is gone.
 */
export async function stopServer(pid: number, layout: ClusterLayout, patienceMs = 30_000): Promise<boolean> {
  for (const [signal, ms] of [
    ['SIGINT', patienceMs],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!(await servesFolder(pid, layout.pgdata))) return true
    try {
      process.kill(pid, signal)
    } catch {
      // Gone in between: the next look says so.
    }
    const end = performance.now() + ms
    while (performance.now() < end) {
      if (!(await servesFolder(pid, layout.pgdata))) return true
      await delay(20)
    }
  }
  return !(await servesFolder(pid, layout.pgdata))
}

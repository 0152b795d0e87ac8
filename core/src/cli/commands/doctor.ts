import { constants, existsSync } from 'node:fs'
import { access, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Config } from '../../config/contract.js'
import { loadConfig } from '../../config/load.js'
import { problemLine } from '../../config/report.js'
import { isThroughlineError } from '../../errors.js'
import type { Command, Terminal } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { withStore } from '../with-store.js'

interface Finding {
  readonly what: string
  readonly ok: boolean
  readonly detail: string
  /** Exit code when it is not ok. */
  readonly exit: number
}

export const doctor: Command = {
  usage: 'doctor [--json]',
  summary: 'Look at the surroundings: Node.js, configuration, database, port, disk.',
  help: ['Starts nothing that stays. Settings of plugins are proved by `throughline plugin doctor`.'],
  options: { json: { type: 'boolean' } },
  async run({ terminal, options, configFile }) {
    const findings: Finding[] = [checkNode(process.versions.node)]
    const loaded = loadConfig({ file: configFile, env: terminal.env, cwd: terminal.cwd })
    const errors = loaded.problems.filter((item) => item.severity === 'error')
    const first = errors[0]
    findings.push({
      what: 'configuration',
      ok: first === undefined,
      detail:
        first === undefined
          ? configFile
          : `${problemLine(first, terminal.cwd)}${errors.length > 1 ? ` and ${errors.length - 1} more: run \`throughline check\`` : ''}`,
      exit: exitCodes.configuration,
    })
    if (loaded.ok) {
      const { config } = loaded
      findings.push(await checkDisk(config), await checkDatabase(config, terminal), await checkPort(config))
    }
    if (options['json'] === true) {
      terminal.out(
        JSON.stringify(
          findings.map(({ what, ok, detail }) => ({ what, ok, detail })),
          null,
          2,
        ),
      )
    } else {
      for (const item of findings) terminal.out(`${item.ok ? 'ok  ' : 'FAIL'}  ${item.what.padEnd(13)}  ${item.detail}`)
    }
    return findings.find((item) => !item.ok)?.exit ?? exitCodes.ok
  },
}

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > 20 || (major === 20 && minor >= 19)
  const detail = ok ? version : `${version} is too old: install Node.js 20.19 or newer`
  return { what: 'node', ok, detail, exit: exitCodes.failed }
}

const leastFreeBytes = 512 * 1024 * 1024

async function checkDisk(config: Config): Promise<Finding> {
  const what = 'disk'
  const folders = [config.files.dir, ...(config.database.url === null ? [config.database.dataDir] : [])]
  for (const wanted of folders) {
    // What does not exist yet will be made in the nearest folder that does.
    let folder = wanted
    while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
    try {
      await access(folder, constants.W_OK)
      const { bavail, bsize } = await statfs(folder)
      const free = bavail * bsize
      if (free < leastFreeBytes) {
        const detail = `${Math.floor(free / 1048576)} MB free under ${folder}: make room, 512 MB is the least`
        return { what, ok: false, detail, exit: exitCodes.failed }
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      const detail = `cannot use ${folder} (${code}): correct its permissions, or configure another folder`
      return { what, ok: false, detail, exit: exitCodes.failed }
    }
  }
  return { what, ok: true, detail: folders.join(', '), exit: exitCodes.failed }
}

async function checkDatabase(config: Config, terminal: Terminal): Promise<Finding> {
  const what = 'database'
  try {
    return await withStore(
      config,
      terminal,
      async (store) => {
        const { rows } = await store.pool.query<{ version: string; number: number }>(
          `select current_setting('server_version') as version, current_setting('server_version_num')::int as number`,
        )
        const version = rows[0]?.version ?? 'unknown'
        const ok = (rows[0]?.number ?? 0) >= 140_000
        const detail = `PostgreSQL ${version}${store.embedded ? ', embedded' : ''}${ok ? '' : ': use 14 or newer'}`
        return { what, ok, detail, exit: exitCodes.unavailable }
      },
      5_000,
    )
  } catch (error) {
    const message = error instanceof Error ? error.message.replaceAll(/\s*\n\s*/g, ' ') : String(error)
    const code = isThroughlineError(error) ? ` (${error.code})` : ''
    return { what, ok: false, detail: message + code, exit: exitCodes.unavailable }
  }
}

/** A port in use is fine when it is this engine that uses it. */
async function checkPort(config: Config): Promise<Finding> {
  const what = 'port'
  const { host, port } = config.server
  const failure = await new Promise<string | null>((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(null)))
  })
  if (failure === null) return { what, ok: true, detail: `${host}:${port} is free`, exit: exitCodes.failed }
  if (failure === 'EADDRINUSE' && (await answersAsEngine(host, port))) {
    return { what, ok: true, detail: `${host}:${port}: an engine is running`, exit: exitCodes.failed }
  }
  const why =
    failure === 'EADDRINUSE' ? 'is in use: stop the other program, or set PORT' : `cannot be used (${failure})`
  return { what, ok: false, detail: `${host}:${port} ${why}`, exit: exitCodes.failed }
}

async function answersAsEngine(host: string, port: number): Promise<boolean> {
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  try {
    const response = await fetch(`http://${address}:${port}/health/live`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

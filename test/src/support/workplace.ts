import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultConfig, repository } from './repository.js'

/** A folder an engine runs in: its configuration, and whatever it keeps under data/. */
export interface Workplace {
  readonly dir: string
  readonly configFile: string
  remove(): Promise<void>
}

/** @param config what throughline.yaml says; without it, the file the product is delivered with, as it is. */
export async function makeWorkplace(config?: object | string): Promise<Workplace> {
  const dir = await mkdtemp(join(tmpdir(), 'throughline-engine-'))
  // Run as root, the embedded PostgreSQL is another user's and has to pass.
  await chmod(dir, 0o711)
  const configFile = join(dir, 'config', 'throughline.yaml')
  await mkdir(join(dir, 'config'))
  for (const part of ['rules', 'templates']) {
    await cp(join(repository, 'config', part), join(dir, 'config', part), { recursive: true })
  }
  // Every JSON document is a YAML document.
  const text = typeof config === 'object' ? JSON.stringify(config, null, 2) : config
  await writeFile(configFile, text ?? (await readFile(defaultConfig, 'utf8')))
  return { dir, configFile, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }) }
}

/** A small complete configuration around the channels of a test; one queue that everybody serves. */
export function configWith(parts: {
  readonly channels: Readonly<Record<string, object>>
  readonly server?: object
  readonly [section: string]: unknown
}): object {
  const { server, ...rest } = parts
  return {
    version: 1,
    server: { host: '127.0.0.1', port: '${PORT}', egressAllow: ['127.0.0.1'], ...server },
    database: { url: '${DATABASE_URL:-}' },
    log: { level: '${LOG_LEVEL:-warn}' },
    identity: { default: { use: 'identity-default' } },
    routing: { rules: { use: 'routing-rules' } },
    defaultQueue: 'support',
    queues: { support: { teams: ['support'] }, sales: { teams: ['support'] }, billing: { teams: ['support'] } },
    teams: { support: { name: 'Support' } },
    calendars: { office: { timeZone: 'UTC', weekly: { mon: ['09:00-17:00'] } } },
    agents: {
      ada: { name: 'Ada', email: 'ada@localhost.example', role: 'admin', teams: ['support'], capacity: 400 },
      ben: { name: 'Ben', email: 'ben@localhost.example', teams: ['support'] },
    },
    ...rest,
  }
}

import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PluginError, type Clock, type Files, type StoredFile } from '@throughline/plugin-sdk'
import type { FileRow, FileRows } from './file-store.js'
import { createSigner } from './signer.js'

const defaultTtlMs = 3_600_000
const keyPattern = /^[0-9a-f]{64}$/

/** Types that have no signature of their own and do no harm: taken on the sender's word. Never HTML, SVG or scripts. */
const believed: ReadonlySet<string> = new Set([
  'text/plain',
  'text/csv',
  'text/calendar',
  'text/vcard',
  'application/json',
])

export interface FilesDeps {
  readonly rows: FileRows
  readonly dir: string
  readonly maxBytes: number
  readonly rootKey: Uint8Array
  readonly publicUrl: string
  readonly clock: Clock
}

export interface FileLink {
  readonly key: string
  /** Seconds since the epoch, as it came in the URL. */
  readonly exp: string | undefined
  readonly sig: string | undefined
  readonly name?: string | undefined
}

export interface FileSystem extends Files {
  /** What is known about a stored file; null: never stored. */
  info(key: string): Promise<FileRow | null>
  /** Path of the bytes for streaming them; null: no such key, or this node does not have them. */
  path(key: string): Promise<string | null>
  /** Is this a link of ours, unchanged and in time? */
  verifyLink(link: FileLink): boolean
}

/**
 * Content-addressed files in one folder (shared by all nodes, where there are several). Bytes are written beside, synced,
 * then renamed: a key always names whole bytes. The row is written last, so what `get` finds is there.
 */
export function createFiles(deps: FilesDeps): FileSystem {
  const signer = createSigner(deps.rootKey, 'files')
  const locate = (key: string): string | null =>
    keyPattern.test(key) ? join(deps.dir, key.slice(0, 2), key.slice(2, 4), key) : null
  const signed = (key: string, exp: string, name: string): string => `${key}\n${exp}\n${name}`

  const path = async (key: string): Promise<string | null> => {
    const file = locate(key)
    if (file === null) return null
    return stat(file).then(() => file, missing)
  }
  return Object.freeze({
    async put(bytes, meta = {}): Promise<StoredFile> {
      if (bytes.byteLength > deps.maxBytes) {
        throw new PluginError(
          'permanent',
          `a file of ${bytes.byteLength} bytes is over the limit of ${deps.maxBytes} (files.maxBytes)`,
        )
      }
      const key = createHash('sha256').update(bytes).digest('hex')
      const file = locate(key) ?? key
      if ((await path(key)) === null) await writeWhole(file, bytes)
      const mime = await typeOf(bytes, meta.mime)
      const name = meta.name === undefined ? null : safeName(meta.name)
      await deps.rows.add({ key, size: bytes.byteLength, mime, name })
      const row = await deps.rows.get(key)
      return Object.freeze({ key, size: bytes.byteLength, sha256: key, mime: row?.mime ?? mime })
    },
    async get(key) {
      const file = locate(key)
      return file === null ? null : readFile(file).catch(missing)
    },
    url(key, options = {}) {
      if (!keyPattern.test(key)) throw new PluginError('permanent', 'that is not the key of a stored file')
      const exp = String(Math.floor((deps.clock.now() + (options.ttlMs ?? defaultTtlMs)) / 1000))
      const name = options.name === undefined ? '' : safeName(options.name)
      const query = new URLSearchParams({
        exp,
        sig: signer.sign(signed(key, exp, name)),
        ...(name === '' ? {} : { name }),
      })
      return `${deps.publicUrl}/files/${key}?${query.toString()}`
    },
    info: (key) => (keyPattern.test(key) ? deps.rows.get(key) : Promise.resolve(null)),
    path,
    verifyLink({ key, exp, sig, name }) {
      if (!keyPattern.test(key) || exp === undefined || sig === undefined || !/^\d{1,12}$/.test(exp)) return false
      return Number(exp) * 1000 > deps.clock.now() && signer.verify(signed(key, exp, name ?? ''), sig)
    },
  } satisfies FileSystem)
}

async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o750 })
  const beside = `${file}.${randomUUID()}`
  try {
    const handle = await open(beside, 'wx', 0o640)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** The bytes decide; a declared type counts only where bytes cannot tell and no browser would run it. */
async function typeOf(bytes: Uint8Array, declared: string | undefined): Promise<string> {
  // Loaded with the first file.
  const { fileTypeFromBuffer } = await import('file-type')
  const found = await fileTypeFromBuffer(bytes).catch(() => undefined)
  if (found !== undefined) return found.mime
  const plain = declared?.split(';', 1)[0]?.trim().toLowerCase()
  return plain !== undefined && believed.has(plain) ? plain : 'application/octet-stream'
}

/** A name for a download: no folders, no control characters, no bidirectional tricks, at most 120 characters. */
function safeName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  return last
    .replaceAll(/\p{Cc}|\p{Cs}|["<>|:*?\u202a-\u202e\u2066-\u2069]/gu, '')
    .replace(/^\.+/, '')
    .slice(0, 120)
    .toWellFormed()
}

function missing(error: unknown): null {
  const { code } = error as { code?: string }
  if (code === 'ENOENT' || code === 'ENOTDIR') return null
  throw error
}

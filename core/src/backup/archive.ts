import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import tar from 'tar-stream'
import { ThroughlineError } from '../errors.js'
import { corrupt } from './manifest.js'

export interface ArchiveWriter {
  /** A small entry, whole. Resolves when there is room for the next. */
  add(name: string, bytes: Uint8Array): Promise<void>
  /** An entry of known size out of a stream. */
  addStream(name: string, size: number, bytes: Readable): Promise<void>
}

/**
 * Writes a .tar.gz that appears under its name only when it is whole and on the disk: beside first, synced, then renamed.
 * It holds the installation's key, so nobody but its owner may read it. A file that is there already is not touched.
 */
export async function writeArchive(file: string, fill: (writer: ArchiveWriter) => Promise<void>): Promise<void> {
  const beside = `${file}.partial`
  const taken = await open(file, 'wx', 0o600).catch((error: unknown) => {
    const exists = (error as { code?: string }).code === 'EEXIST'
    throw new ThroughlineError(
      'TL_BACKUP_FILE',
      exists
        ? `${file} exists already and is not overwritten. Choose another name.`
        : `${file} cannot be written (${String((error as { code?: string }).code)}). Check the folder and its permissions.`,
      { cause: error, details: { file } },
    )
  })
  await taken.close()
  try {
    const pack = tar.pack()
    // Level 1: attachments are compressed already, and rows shrink to a fifth all the same.
    const written = pipeline(pack, createGzip({ level: 1 }), createWriteStream(beside, { mode: 0o600, flush: true }))
    const failed = written.then(
      () => new Promise<never>(() => undefined),
      (error: unknown) => Promise.reject(error instanceof Error ? error : new Error(String(error))),
    )
    // A full disk ends the pipeline; whoever waits for room in it must not wait for ever.
    failed.catch(() => undefined)
    const writer: ArchiveWriter = {
      add: (name, bytes) =>
        Promise.race([
          failed,
          new Promise<void>((resolve, reject) => {
            pack.entry({ name, size: bytes.byteLength }, Buffer.from(bytes), (error) =>
              error ? reject(error) : resolve(),
            )
          }),
        ]),
      addStream: (name, size, bytes) => Promise.race([failed, pipeline(bytes, pack.entry({ name, size }))]),
    }
    try {
      await fill(writer)
      pack.finalize()
    } catch (error) {
      pack.destroy(error instanceof Error ? error : new Error(String(error)))
      await written.catch(() => undefined)
      throw error
    }
    await written
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    await rm(file, { force: true })
    throw error
  }
}

/** Hands over every entry in order; each has to be read to its end before the next comes. */
export async function readArchive(
  file: string,
  take: (name: string, bytes: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const extract = tar.extract()
  const unpacked = pipeline(createReadStream(file), createGunzip(), extract)
  // The loop below fails first; this keeps the other end of the same failure from being nobody's.
  unpacked.catch(() => undefined)
  let taking = false
  try {
    for await (const entry of extract) {
      taking = true
      await take(entry.header.name, entry as AsyncIterable<Buffer>)
      taking = false
      entry.resume()
    }
    await unpacked
  } catch (error) {
    extract.destroy()
    const { code } = error as { code?: string }
    if (!taking && (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')) {
      throw new ThroughlineError(
        'TL_BACKUP_FILE',
        `${file} cannot be read (${code}). Check its name and permissions.`,
        {
          cause: error,
          details: { file },
        },
      )
    }
    // Trouble of the archive itself, also where it shows while an entry is read.
    if (!taking || /^Z_|^ERR_STREAM_PREMATURE/.test(code ?? '') || /tar|Unexpected end/i.test(String(error)))
      throw error instanceof ThroughlineError ? error : corrupt('it cannot be unpacked', error)
    throw error
  }
}

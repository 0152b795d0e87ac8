import { watch, type FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface WatchFilesDeps {
  readonly files: readonly string[]
  /** Something may have changed. The next call comes after this one has ended. */
  readonly changed: () => Promise<void>
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
  /** Quiet time after the last sign of a change: an editor writes a file in several steps. Default 200 ms. */
  readonly settleMs?: number
  /** The files are looked at this often whatever the system reports (network drives, mounted folders). Default 3 s. */
  readonly pollMs?: number
  /** Tests hand in their own. */
  readonly watch?: (folder: string, seen: () => void) => { close(): void }
}

export interface FileWatch {
  stop(): Promise<void>
}

/** Watches the folders the files are in, so that a file replaced by another one of its name is seen, too. */
export function watchFiles(deps: WatchFilesDeps): FileWatch {
  const { files, settleMs = 200, pollMs = 3_000 } = deps
  let settle: NodeJS.Timeout | undefined
  let stopped = false
  let known = signature(files)
  let turn: Promise<unknown> = known

  const look = (): void => {
    turn = turn.then(async () => {
      if (stopped) return
      const before = await known
      const now = await signature(files)
      known = Promise.resolve(now)
      if (now === before) return
      await deps.changed().catch((error: unknown) => {
        deps.log.warn({ code: (error as { code?: string }).code }, 'a changed file could not be taken over')
      })
    })
  }
  const seen = (): void => {
    clearTimeout(settle)
    if (!stopped) settle = setTimeout(look, settleMs)
  }
  const open = deps.watch ?? systemWatch(deps.log)
  const watches = [...new Set(files.map((file) => dirname(file)))].map((folder) => open(folder, seen))
  const poll = setInterval(look, pollMs)
  return Object.freeze({
    async stop() {
      stopped = true
      clearTimeout(settle)
      clearInterval(poll)
      for (const one of watches) one.close()
      await turn
    },
  })
}

/** A folder that cannot be watched is polled only; that is said once. */
function systemWatch(log: WatchFilesDeps['log']) {
  return (folder: string, seen: () => void): { close(): void } => {
    let watcher: FSWatcher | undefined
    const lost = (error: unknown): void =>
      log.warn({ code: (error as { code?: string }).code }, 'a folder cannot be watched; its files are polled')
    try {
      watcher = watch(folder, { persistent: false }, seen)
      watcher.on('error', lost)
    } catch (error) {
      lost(error)
    }
    return { close: () => watcher?.close() }
  }
}

async function signature(files: readonly string[]): Promise<string> {
  const found = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ ino, size, mtimeMs }) => `${ino}.${size}.${mtimeMs}`,
        () => 'none',
      ),
    ),
  )
  return found.join(' ')
}

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Files, Signer, State, ThreadChange, ThreadMessage, Threads } from '../src/index.js'

/** Values survive only as JSON, as they would in a database. */
const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))

type Entry = { readonly value: unknown; readonly expiresAt: number }

/** What instances leave behind. Give two contexts the same one to test that they do not meet. */
export type Backing = { readonly state: Map<string, Entry>; readonly files: Map<string, Uint8Array> }
export const createBacking = (): Backing => ({ state: new Map(), files: new Map() })

export function memoryState(instance: string, clock: Clock, entries: Backing['state']): State {
  const prefix = `${instance}\u0000`
  const read = (key: string) => {
    const entry = entries.get(prefix + key)
    return entry === undefined || entry.expiresAt <= clock.now() ? null : entry.value
  }
  const write = (key: string, value: unknown, ttlMs = Infinity) =>
    void entries.set(prefix + key, { value: copy(value), expiresAt: clock.now() + ttlMs })
  return {
    get: async <T>(key: string) => copy(read(key)) as T | null,
    set: async (key, value, options) => write(key, value, options?.ttlMs),
    cas: async (key, expected, value) => {
      if (!isDeepStrictEqual(copy(read(key)), copy(expected))) return false
      write(key, value)
      return true
    },
    delete: async (key) => void entries.delete(prefix + key),
    list: async (start) =>
      [...entries.keys()]
        .filter((key) => key.startsWith(prefix + start) && read(key.slice(prefix.length)) !== null)
        .sort()
        .map((key) => ({ key: key.slice(prefix.length), value: copy(read(key.slice(prefix.length))) })),
  }
}

export function memoryFiles(instance: string, files: Backing['files'], publicUrl: string): Files {
  return {
    put: async (bytes, meta) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const key = `${instance}/${sha256}`
      files.set(key, new Uint8Array(bytes))
      return { key, size: bytes.length, sha256, mime: meta?.mime ?? 'application/octet-stream' }
    },
    // The key says whose file it is: another instance's file is not there for this one.
    get: async (key) => (key.startsWith(`${instance}/`) ? (files.get(key) ?? null) : null),
    url: (key, options) => `${new URL(publicUrl).origin}/files/${key}${options?.name ? `/${options.name}` : ''}`,
  }
}

export function testSigner(instance: string): Signer {
  const mac = (data: string) => createHmac('sha256', `test-${instance}`).update(data).digest()
  return {
    sign: (data) => mac(data).toString('base64url'),
    verify: (data, signature) => {
      const given = Buffer.from(signature, 'base64url')
      const expected = mac(data)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}

/** Threads of a channel whose client reads from us; `say` is the engine writing into one. */
export interface TestThreads extends Threads {
  say(thread: string, message: Partial<ThreadMessage>): ThreadMessage
  notify(thread: string, what: ThreadChange): void
  readonly watchers: number
}

export function memoryThreads(clock: Clock): TestThreads {
  const messages = new Map<string, ThreadMessage[]>()
  const watchers = new Map<string, Set<(what: ThreadChange) => void>>()
  let count = 0
  const notify = (thread: string, what: ThreadChange) =>
    [...(watchers.get(thread) ?? [])].forEach((changed) => changed(what))
  return {
    get watchers() {
      return [...watchers.values()].reduce((sum, set) => sum + set.size, 0)
    },
    notify,
    say(thread, message) {
      count += 1
      const said: ThreadMessage = {
        id: `message-${count}`,
        direction: 'out',
        at: clock.now(),
        author: { kind: 'agent', name: 'Ada' },
        parts: [{ type: 'text', text: 'Hello' }],
        externalId: null,
        cursor: String(count).padStart(12, '0'),
        ...message,
      }
      messages.set(thread, [...(messages.get(thread) ?? []), said])
      notify(thread, {})
      return said
    },
    read: async (thread, options) =>
      (messages.get(thread) ?? [])
        .filter((message) => options?.after === undefined || message.cursor > options.after)
        .slice(0, options?.limit ?? 100),
    watch(thread, changed) {
      const set = watchers.get(thread) ?? new Set()
      watchers.set(thread, set.add(changed))
      return () => void set.delete(changed)
    },
  }
}

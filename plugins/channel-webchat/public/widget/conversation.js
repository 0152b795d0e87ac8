import { ApiError } from './api.js'
import { backoffMs, pause } from './backoff.js'
import { readEvents } from './event-stream.js'
import { clientId } from './client-id.js'
import { Outbox } from './outbox.js'
import { Session } from './session.js'

/** A silent line is a dead line: the engine sends at least a comment more often than this. */
const SILENCE_MS = 70_000
/** An agent who stops typing without a word. */
const TYPING_MS = 8000
/** A stream that lasted this long worked; one that breaks at once counts as a failed attempt. */
const STEADY_MS = 5000

/**
 * One visitor's thread: session, messages, stream, outbox. Knows nothing of the page. Emits
 * `change` (something to draw), `ready`, `message` (detail: the message) and `refused` (detail: {code}).
 */
export class Conversation extends EventTarget {
  /** connecting · online · offline · refused */
  status = 'connecting'
  code = null
  typing = false
  /** Place in the queue while nobody has answered: {position, estimate}. */
  place = null
  #api
  #memory
  #session
  #messages = []
  /** Place in `#messages` by id. */
  #known = new Map()
  #cursor = undefined
  #outbox
  #stopped = new AbortController()
  #hurry = () => {}
  #typingTimer
  #acknowledging = false

  /** @param {{api: ReturnType<import('./api.js').createApi>, memory: object, siteToken: string|null}} deps */
  constructor({ api, memory, siteToken }) {
    super()
    this.#api = api
    this.#memory = memory
    this.#session = new Session({
      api,
      memory,
      siteToken,
      signal: this.#stopped.signal,
      opened: (moved) => this.#opened(moved),
    })
    this.#outbox = new Outbox({
      post: (body, signal) => this.#post(body, signal),
      changed: () => {
        if (this.thread !== null) this.#memory.keepOutbox(this.thread, this.#outbox.entries)
        this.#emit('change')
      },
      online: (signal) => this.#networkBack(signal),
    })
  }

  /** Runs until `stop`: opens the session, reads the thread, follows it, and starts over after every loss. */
  async start() {
    const { signal } = this.#stopped
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      let leastMs = 0
      try {
        await this.#session.ensure()
        await this.#catchUp()
        const since = performance.now()
        await this.#follow().finally(() => {
          if (performance.now() - since > STEADY_MS) attempt = 0
        })
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof ApiError)) throw error
        // An expired visitor token is renewed by the next round; a refused site token is not ours to mend.
        if (error.status === 401 && error.code.startsWith('token_')) this.#session.forget()
        else if (!error.retryable && error.status !== 404) return this.#refuse(error.code)
        leastMs = error.retryAfterMs
      }
      if (signal.aborted) return
      this.#setStatus(navigator.onLine === false ? 'offline' : 'connecting')
      await pause(Math.max(leastMs, backoffMs(attempt)), { signal, hurry: (done) => (this.#hurry = done) })
    }
  }

  stop() {
    this.#stopped.abort()
    this.#outbox.stop()
    clearTimeout(this.#typingTimer)
  }

  /** What the engine answered, or null while there is no session. */
  get session() {
    return this.#session.answer
  }

  get thread() {
    return this.#session.thread
  }

  /** The network came back, or the page was looked at again: do not sit out the wait. */
  hurry() {
    this.#hurry()
  }

  /** Confirmed messages by their cursor, and what is on its way where the visitor put it. */
  get entries() {
    const pending = this.#outbox.entries
    const standing = pending.filter((entry) => entry.state === 'sent')
    const anchored = new Map()
    for (const entry of standing) anchored.set(entry.anchor, [...(anchored.get(entry.anchor) ?? []), entry])
    const known = new Set(this.#messages.map((message) => message.cursor))
    const list = standing.filter((entry) => !known.has(entry.anchor))
    for (const message of this.#messages) list.push(message, ...(anchored.get(message.cursor) ?? []))
    return [...list, ...pending.filter((entry) => entry.state !== 'sent')]
  }

  get empty() {
    return this.#messages.length === 0 && this.#outbox.entries.length === 0
  }

  send(text) {
    this.#enqueue({ text }, { type: 'text', text, format: 'plain' })
  }

  choose({ label, value, target }) {
    this.#enqueue({ action: { label, value, target } }, { type: 'text', text: label, format: 'plain' })
  }

  retry(clientId) {
    this.#outbox.retry(clientId)
  }

  claim(claimed) {
    this.#memory.keepClaimed({ ...this.#memory.claimed(), ...claimed })
  }

  sayTyping(on) {
    if (this.session !== null && this.status === 'online') this.#api.typing(this.#session.token, on).catch(() => {})
  }

  /** Tells the engine what has reached this page; a lost acknowledgement is repeated with the next one. */
  async acknowledge(status) {
    const cursor = this.#messages.at(-1)?.cursor
    const after = this.session === null ? null : this.#memory.acknowledged(this.session.thread)
    if (cursor === undefined || cursor === after || this.#acknowledging) return
    this.#acknowledging = true
    const { thread } = this.session
    try {
      await this.#api.read(this.#session.token, { cursor, status, ...(after === null ? {} : { after }) })
      if (status === 'read') this.#memory.keepAcknowledged(thread, cursor)
    } catch {
      // Nothing depends on it.
    } finally {
      this.#acknowledging = false
    }
    // Something came in meanwhile.
    if (this.#messages.at(-1)?.cursor !== cursor) await this.acknowledge(status)
  }

  #enqueue(body, part) {
    this.#outbox.add({
      clientId: clientId(),
      body,
      preview: part,
      at: Date.now(),
      anchor: this.#messages.at(-1)?.cursor ?? null,
    })
  }

  async #post(body, signal) {
    await this.#session.ensure()
    const claimed = this.session.signed ? {} : this.#memory.claimed()
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
    const full = { ...body, timeZone, ...(Object.keys(claimed).length > 0 && { claimed }) }
    try {
      await this.#api.message(this.#session.token, full, signal)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
      this.#session.forget()
      await this.#session.ensure()
      await this.#api.message(this.#session.token, full, signal)
    }
    // The engine is there: no reason for the stream to sit out its wait.
    if (this.status !== 'online') this.#hurry()
  }

  #opened(moved) {
    if (moved) {
      this.#messages = []
      this.#known.clear()
      this.#cursor = undefined
    }
    this.#outbox.restore(this.#memory.outbox(this.thread), moved)
    this.#emit('change')
  }

  async #catchUp() {
    const first = this.#cursor === undefined
    for (let more = true; more;) {
      const page = await this.#api.thread(this.#session.token, this.#cursor, this.#stopped.signal)
      for (const message of page.messages) this.#take(message, !first)
      this.#cursor = page.cursor ?? this.#cursor
      more = page.more
    }
    this.#emit('change')
    if (first) this.#emit('ready')
  }

  async #follow() {
    const { signal } = this.#stopped
    const line = new AbortController()
    const cut = () => line.abort()
    let watchdog
    const alive = () => {
      clearTimeout(watchdog)
      watchdog = setTimeout(cut, SILENCE_MS)
    }
    signal.addEventListener('abort', cut)
    alive()
    try {
      const response = await this.#api.stream(this.#session.token, this.#cursor, line.signal)
      this.#setStatus('online')
      await readEvents(response.body, (event) => this.#hear(event), alive)
    } catch (error) {
      throw error instanceof ApiError ? error : new ApiError({ cause: error })
    } finally {
      clearTimeout(watchdog)
      signal.removeEventListener('abort', cut)
      this.#setTyping(false)
    }
  }

  #hear({ event, data }) {
    if (event === 'message') {
      const message = JSON.parse(data)
      const isNew = this.#take(message, true)
      if (isNew && message.direction === 'out') this.#setTyping(false)
      if (isNew && message.author?.kind === 'agent') this.place = null
      this.#emit('change')
    } else if (event === 'typing') this.#setTyping(JSON.parse(data).on === true)
    else if (event === 'queue') {
      this.place = JSON.parse(data)
      this.#emit('change')
    }
  }

  /** A message that is known comes again when it was edited, taken back or reacted to: it keeps its place. */
  #take(message, tell) {
    this.#cursor = message.cursor
    const at = this.#known.get(message.id)
    if (at !== undefined) {
      this.#messages[at] = { ...message, cursor: this.#messages[at].cursor }
      return false
    }
    this.#known.set(message.id, this.#messages.push(message) - 1)
    if (message.clientId !== null) this.#outbox.confirm(message.clientId)
    if (tell) this.#emit('message', message)
    return true
  }

  #setTyping(on) {
    clearTimeout(this.#typingTimer)
    if (on) this.#typingTimer = setTimeout(() => this.#setTyping(false), TYPING_MS)
    if (this.typing === on) return
    this.typing = on
    this.#emit('change')
  }

  #setStatus(status) {
    if (this.status === status) return
    this.status = status
    this.#emit('change')
  }

  #refuse(code) {
    this.code = code
    this.#setStatus('refused')
    this.#emit('refused', { code })
  }

  async #networkBack(signal) {
    while (navigator.onLine === false && !signal.aborted) {
      await pause(1000, { signal })
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }
}

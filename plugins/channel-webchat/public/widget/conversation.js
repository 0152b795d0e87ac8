import { ApiError } from './api.js'
import { backoffMs, pause } from './backoff.js'
import { readEvents } from './event-stream.js'
import { Outbox } from './outbox.js'

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
  session = null
  thread = null
  /** connecting · online · offline · refused */
  status = 'connecting'
  code = null
  typing = false
  #api
  #memory
  #siteToken
  #signedToken = null
  #opening = null
  #messages = []
  #known = new Set()
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
    this.#siteToken = siteToken
    this.#outbox = new Outbox({
      post: (body, signal) => this.#post(body, signal),
      changed: () => {
        if (this.session !== null) this.#memory.keepOutbox(this.session.thread, this.#outbox.entries)
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
        await this.#ensureSession()
        await this.#catchUp()
        const since = performance.now()
        await this.#follow().finally(() => {
          if (performance.now() - since > STEADY_MS) attempt = 0
        })
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof ApiError)) throw error
        // An expired visitor token is renewed by the next round; a refused site token is not ours to mend.
        if (error.status === 401 && error.code.startsWith('token_')) this.#forgetToken()
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
    if (this.session !== null && this.status === 'online') this.#api.typing(this.#token(), on).catch(() => {})
  }

  /** Tells the engine what has reached this page; a lost acknowledgement is repeated with the next one. */
  async acknowledge(status) {
    const cursor = this.#messages.at(-1)?.cursor
    const after = this.session === null ? null : this.#memory.acknowledged(this.session.thread)
    if (cursor === undefined || cursor === after || this.#acknowledging || this.status !== 'online') return
    this.#acknowledging = true
    const { thread } = this.session
    try {
      await this.#api.read(this.#token(), { cursor, status, ...(after === null ? {} : { after }) })
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
      clientId: uuid(),
      body,
      preview: part,
      at: Date.now(),
      anchor: this.#messages.at(-1)?.cursor ?? null,
    })
  }

  async #post(body, signal) {
    await this.#ensureSession()
    const claimed = this.session.signed ? {} : this.#memory.claimed()
    const full = Object.keys(claimed).length === 0 ? body : { ...body, claimed }
    try {
      await this.#api.message(this.#token(), full, signal)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
      this.#forgetToken()
      await this.#ensureSession()
      await this.#api.message(this.#token(), full, signal)
    }
  }

  #token() {
    return this.session?.signed ? this.#signedToken : this.#memory.token()
  }

  #forgetToken() {
    this.#signedToken = null
    this.session = null
  }

  /** One session at a time, also over several tabs: two that start together must not become two visitors. */
  #ensureSession() {
    if (this.session !== null) return Promise.resolve()
    this.#opening ??= this.#exclusively(() => this.#open()).finally(() => (this.#opening = null))
    return this.#opening
  }

  #exclusively(task) {
    const { locks } = navigator
    return locks === undefined ? task() : locks.request(`throughline-chat:${this.#memory.namespace}`, task)
  }

  async #open() {
    const token = this.#memory.token()
    const site = this.#siteToken
    const session = await this.#api.session(
      { ...(token === null ? {} : { token }), ...(site === null ? {} : { site }) },
      this.#stopped.signal,
    )
    if (session.signed) this.#signedToken = session.token
    else this.#memory.keepToken(session.token)
    const moved = this.thread !== null && this.thread !== session.thread
    this.session = session
    this.thread = session.thread
    if (moved) {
      this.#messages = []
      this.#known.clear()
      this.#cursor = undefined
    }
    if (this.#outbox.entries.length === 0) this.#outbox.restore(this.#memory.outbox(session.thread))
    this.#emit('change')
  }

  async #catchUp() {
    const first = this.#cursor === undefined
    for (let more = true; more; ) {
      const page = await this.#api.thread(this.#token(), this.#cursor, this.#stopped.signal)
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
      const response = await this.#api.stream(this.#token(), this.#cursor, line.signal)
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
      this.#take(message, true)
      if (message.direction === 'out') this.#setTyping(false)
      this.#emit('change')
    } else if (event === 'typing') this.#setTyping(JSON.parse(data).on === true)
  }

  #take(message, tell) {
    this.#cursor = message.cursor
    if (this.#known.has(message.id)) return
    this.#known.add(message.id)
    this.#messages.push(message)
    if (message.clientId !== null) this.#outbox.confirm(message.clientId)
    if (tell) this.#emit('message', message)
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

/** crypto.randomUUID exists in secure contexts only; a shop in a test may be plain http. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

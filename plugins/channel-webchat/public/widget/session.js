/**
 * The visitor's session and its token. A signed visitor's token lives in here only, never in the browser's storage.
 */
export class Session {
  /** What the engine answered, or null while there is no session. */
  answer = null
  thread = null
  #api
  #memory
  #siteToken
  #signal
  #opened
  #signedToken = null
  #opening = null

  /** @param opened called after each opening; `true` when the visitor is in another thread than before */
  constructor({ api, memory, siteToken, signal, opened }) {
    this.#api = api
    this.#memory = memory
    this.#siteToken = siteToken
    this.#signal = signal
    this.#opened = opened
  }

  get token() {
    return this.answer?.signed ? this.#signedToken : this.#memory.token()
  }

  /** The token was refused: the next `ensure` opens anew. */
  forget() {
    this.#signedToken = null
    this.answer = null
  }

  /** One opening at a time, also over several tabs: two that start together must not become two visitors. */
  ensure() {
    if (this.answer !== null) return Promise.resolve()
    this.#opening ??= this.#exclusively(() => this.#open()).finally(() => (this.#opening = null))
    return this.#opening
  }

  #exclusively(task) {
    const { locks } = navigator
    if (locks === undefined) return task()
    return locks.request(`throughline-chat:${this.#memory.namespace}`, { signal: this.#signal }, task)
  }

  async #open() {
    const token = this.#memory.token()
    const site = this.#siteToken
    const answer = await this.#api.session(
      { ...(token === null ? {} : { token }), ...(site === null ? {} : { site }) },
      this.#signal,
    )
    if (answer.signed) this.#signedToken = answer.token
    else this.#memory.keepToken(answer.token)
    const moved = this.thread !== null && this.thread !== answer.thread
    this.answer = answer
    this.thread = answer.thread
    this.#opened(moved)
  }
}

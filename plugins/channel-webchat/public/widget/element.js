import { createApi } from './api.js'
import { Conversation } from './conversation.js'
import { createMemory } from './memory.js'
import { Panel } from './panel.js'
import { css } from './styles.js'

/** The engine that serves this script, unless the page names another with the `base` attribute. */
const HOME = new URL(import.meta.url).origin

let sheet
function styleSheet() {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
  }
  return sheet
}

/**
 * `<throughline-chat channel="webchat">`: a launcher with a panel, or with `inline` just the panel in its place.
 * The session starts when the chat is first opened, or at once when this browser has talked before.
 */
export class ThroughlineChat extends HTMLElement {
  static observedAttributes = ['open', 'site-token', 'channel', 'base']
  #panel = null
  #conversation = null
  #listeners = null
  #unread = 0

  connectedCallback() {
    if (this.#panel === null) {
      const root = this.attachShadow({ mode: 'open' })
      root.adoptedStyleSheets = [styleSheet()]
      this.#panel = new Panel({
        inline: this.hasAttribute('inline'),
        toggle: (open) => this.#toggle(open),
        send: (text) => this.#conversation?.send(text),
        choose: (choice) => this.#conversation?.choose(choice),
        retry: (clientId) => this.#conversation?.retry(clientId),
        claim: (claimed) => this.#conversation?.claim(claimed),
        typing: (on) => this.#conversation?.sayTyping(on),
        seen: () => this.#seen(),
      })
      root.append(...this.#panel.nodes)
    }
    this.#listeners = new AbortController()
    const { signal } = this.#listeners
    const hurry = () => this.#conversation?.hurry()
    window.addEventListener('online', hurry, { signal })
    window.addEventListener('offline', () => this.#draw(), { signal })
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.visibilityState !== 'visible') return
        hurry()
        this.#seen()
      },
      { signal },
    )
    this.#panel.show(this.isOpen)
    if (this.isOpen || this.#memory().token() !== null) this.#start()
  }

  disconnectedCallback() {
    this.#listeners?.abort()
    this.#stop()
  }

  attributeChangedCallback(name, before, now) {
    if (this.#panel === null || !this.isConnected || before === now) return
    if (name === 'open') {
      this.#panel.show(this.isOpen)
      if (this.isOpen) this.#start()
      this.#seen()
    } else if (this.#conversation !== null) {
      this.#stop()
      this.#start()
    }
  }

  get isOpen() {
    return this.hasAttribute('open') || this.hasAttribute('inline')
  }

  get open() {
    return this.isOpen
  }

  set open(value) {
    this.toggleAttribute('open', Boolean(value))
  }

  /** Opens the chat and puts the cursor into its field. */
  show() {
    this.open = true
    this.#panel?.focus()
  }

  hide() {
    this.open = false
  }

  #toggle(open) {
    if (open) this.show()
    else this.hide()
  }

  #root() {
    const base = new URL(this.getAttribute('base') ?? HOME, document.baseURI).href.replace(/\/$/, '')
    return `${base}/channels/${encodeURIComponent(this.getAttribute('channel') ?? 'webchat')}`
  }

  #memory() {
    return createMemory(`throughline-chat:${this.#root()}`)
  }

  #start() {
    if (this.#conversation !== null) return
    const conversation = new Conversation({
      api: createApi(this.#root()),
      memory: this.#memory(),
      siteToken: this.getAttribute('site-token') || null,
    })
    this.#conversation = conversation
    conversation.addEventListener('change', () => this.#draw())
    conversation.addEventListener('ready', () => {
      this.#draw()
      this.#seen()
      this.#announce('ready', { thread: conversation.thread, signed: conversation.session?.signed === true })
    })
    conversation.addEventListener('message', ({ detail }) => {
      if (detail.direction === 'out') {
        this.#unread += 1
        this.#seen()
      }
      this.#announce('message', detail)
    })
    conversation.addEventListener('refused', ({ detail }) => {
      // The page can get a new token from its server and set the attribute; the chat then starts over.
      if (detail.code.startsWith('site_token_')) this.#announce('token-needed', detail)
    })
    conversation.start().catch((error) => console.error('throughline-chat stopped', error))
    this.#draw()
  }

  #stop() {
    this.#conversation?.stop()
    this.#conversation = null
    this.#unread = 0
  }

  #seen() {
    const visible = this.isOpen && document.visibilityState === 'visible'
    if (visible) this.#unread = 0
    this.#draw()
    this.#conversation?.acknowledge(visible ? 'read' : 'delivered')
  }

  #draw() {
    if (this.#conversation !== null) this.#panel?.draw(this.#conversation, this.#unread)
  }

  #announce(name, detail) {
    this.dispatchEvent(new CustomEvent(`throughline:${name}`, { detail, bubbles: true, composed: true }))
  }
}

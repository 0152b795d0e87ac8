import { AskForm } from './ask-form.js'
import { el, icon } from './dom.js'
import { renderPart } from './parts.js'
import { Timeline } from './timeline.js'

const STATUS = Object.freeze({
  connecting: 'Connecting…',
  online: 'Connected',
  offline: 'You are offline. What you write is sent when you are back.',
  refused: 'The chat is not available right now.',
  signIn: 'Please sign in again to chat.',
})
const TYPING_EVERY_MS = 3000
const MAX_TEXT = 10_000

/** The visible chat: launcher, heading, messages, form, field. Draws what it is given and reports what is done. */
export class Panel {
  #act
  #inline
  #parts
  #timeline
  #typedAt = 0
  #greeting = null
  #form

  constructor(act) {
    this.#act = act
    this.#inline = act.inline
    this.#form = new AskForm({ claim: act.claim, done: () => this.focus() })
    this.#parts = this.#build()
    this.#timeline = new Timeline({ list: this.#parts.list, use: { choose: act.choose, retry: act.retry } })
  }

  get nodes() {
    return this.#inline ? [this.#parts.panel] : [this.#parts.panel, this.#parts.launcher]
  }

  show(open) {
    const { panel, launcher, log } = this.#parts
    panel.hidden = !open
    launcher.setAttribute('aria-expanded', String(open))
    launcher.setAttribute('aria-label', open ? 'Close the chat' : 'Open the chat')
    launcher.classList.toggle('is-open', open)
    if (open) log.scrollTop = log.scrollHeight
  }

  focus() {
    this.#parts.input.focus()
  }

  draw(conversation, unread) {
    const { title, status, banner, list, log, typing, wait, badge, send, input } = this.#parts
    const { session } = conversation
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80
    const entries = conversation.entries
    const own = entries.filter((entry) => 'preview' in entry).length
    const grew = own > (this.ownBefore ?? 0)
    this.ownBefore = own

    title.textContent = session?.title ?? 'Chat'
    const state = navigator.onLine === false && conversation.status !== 'refused' ? 'offline' : conversation.status
    const words = STATUS[conversation.code?.startsWith('site_token_') ? 'signIn' : state]
    if (status.textContent !== words) status.textContent = words
    status.dataset.state = state
    banner.hidden = state === 'connecting' || state === 'online'
    banner.textContent = words
    input.disabled = state === 'refused'
    send.disabled = state === 'refused' || input.value.trim() === ''
    log.setAttribute('aria-busy', String(session === null))
    this.#greet(session)
    this.#form.draw(session?.ask ?? [], conversation.empty)
    this.#timeline.draw(entries)
    list.hidden = entries.length === 0
    typing.hidden = !conversation.typing
    wait.hidden = conversation.place === null
    const waits = waitText(conversation.place)
    if (wait.textContent !== waits) wait.textContent = waits
    badge.hidden = unread === 0
    badge.textContent = unread > 9 ? '9+' : String(unread)
    badge.setAttribute('aria-label', `${unread} unread`)
    if (atEnd || grew) this.#toEnd()
    this.#jump()
  }

  #greet(session) {
    const text = session?.greeting ?? null
    if (text === this.#greeting) return
    this.#greeting = text
    const { greeting } = this.#parts
    greeting.hidden = text === null
    greeting.replaceChildren(text === null ? '' : renderPart({ type: 'text', text, format: 'markdown' }, {}))
  }

  #build() {
    const act = this.#act
    const title = el('h2', { id: 'title' }, 'Chat')
    const status = el('p', { class: 'status', role: 'status', 'data-testid': 'chat-status' }, STATUS.connecting)
    const close = el(
      'button',
      { class: 'round', type: 'button', 'aria-label': 'Close the chat', onclick: () => this.#close() },
      icon('minimise'),
    )
    const banner = el('div', { class: 'banner', 'aria-hidden': 'true', hidden: true })
    const greeting = el('div', { class: 'message out first last', hidden: true, 'data-testid': 'chat-greeting' })
    const list = el('div', { class: 'list' })
    const typing = el(
      'div',
      { class: 'typing', hidden: true, 'data-testid': 'chat-typing' },
      el('span', { class: 'hidden' }, 'The agent is typing'),
      el('i'),
      el('i'),
      el('i'),
    )
    const wait = el('p', { class: 'wait', hidden: true, 'data-testid': 'chat-wait' })
    const form = this.#form.node
    const log = el(
      'div',
      {
        class: 'log',
        role: 'log',
        tabindex: '0',
        'aria-label': 'Conversation',
        'aria-live': 'polite',
        onscroll: () => this.#jump(),
      },
      greeting,
      list,
      form,
      wait,
      typing,
    )
    const jump = el(
      'button',
      {
        class: 'jump',
        type: 'button',
        'aria-label': 'To the latest message',
        hidden: true,
        onclick: () => this.#toEnd(),
      },
      icon('down'),
    )
    const input = el('textarea', {
      id: 'input',
      rows: '1',
      maxlength: MAX_TEXT,
      placeholder: 'Write a message…',
      'aria-label': 'Your message',
      autocomplete: 'off',
      enterkeyhint: 'send',
      'data-testid': 'chat-input',
      part: 'input',
      oninput: () => this.#typed(),
      onkeydown: (event) => {
        // isComposing: Enter then confirms a word of an input method and must not send it.
        if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
        event.preventDefault()
        this.#send()
      },
    })
    const send = el(
      'button',
      { class: 'send', type: 'submit', 'aria-label': 'Send', disabled: true, 'data-testid': 'chat-send', part: 'send' },
      icon('send'),
    )
    const composer = el(
      'form',
      {
        class: 'composer',
        onsubmit: (event) => {
          event.preventDefault()
          this.#send()
        },
      },
      input,
      send,
    )
    const heading = el('div', { class: 'heading' }, title, status)
    const panel = el(
      'section',
      {
        class: this.#inline ? 'panel inline' : 'panel',
        id: 'panel',
        part: 'panel',
        role: this.#inline ? 'region' : 'dialog',
        'aria-labelledby': 'title',
        'data-testid': 'chat-panel',
        onkeydown: (event) => {
          if (event.key === 'Escape' && !this.#inline && !event.isComposing) this.#close()
        },
      },
      el('header', {}, el('span', { class: 'mark' }, icon('chat')), heading, this.#inline ? null : close),
      banner,
      el('div', { class: 'middle' }, log, jump),
      composer,
    )
    const badge = el('span', { class: 'badge', hidden: true, 'data-testid': 'chat-unread' })
    const launcher = el(
      'button',
      {
        class: 'launcher',
        part: 'launcher',
        type: 'button',
        'aria-controls': 'panel',
        'data-testid': 'chat-launcher',
        onclick: () => act.toggle(panel.hidden),
      },
      el('span', { class: 'when-closed' }, icon('chat')),
      el('span', { class: 'when-open' }, icon('close')),
      badge,
    )
    return { panel, launcher, title, status, banner, greeting, list, typing, wait, log, jump, input, send, badge }
  }

  #send() {
    const { input } = this.#parts
    const text = input.value.trim()
    if (text === '' || input.disabled) return
    this.#form.take()
    input.value = ''
    this.#typedAt = 0
    this.#size()
    this.#act.send(text)
    this.#toEnd()
    input.focus()
  }

  #typed() {
    const { input, send } = this.#parts
    this.#size()
    send.disabled = input.value.trim() === ''
    const now = Date.now()
    if (input.value === '') {
      if (this.#typedAt > 0) this.#act.typing(false)
      this.#typedAt = 0
    } else if (now - this.#typedAt > TYPING_EVERY_MS) {
      this.#typedAt = now
      this.#act.typing(true)
    }
  }

  #size() {
    const { input, send } = this.#parts
    input.style.height = 'auto'
    input.style.height = `${Math.min(input.scrollHeight, 140)}px`
    send.disabled = input.value.trim() === ''
  }

  #close() {
    this.#act.toggle(false)
    this.#parts.launcher.focus()
  }

  #toEnd() {
    const { log } = this.#parts
    log.scrollTop = log.scrollHeight
  }

  #jump() {
    const { log, jump } = this.#parts
    jump.hidden = log.scrollHeight - log.scrollTop - log.clientHeight < 200
  }
}

/** @param {{position: number, estimate: {p50S: number, p80S: number} | null} | null} place */
function waitText(place) {
  if (place === null) return ''
  const at = place.position === 1 ? 'You are next.' : `You are number ${place.position} in line.`
  if (place.estimate === null) return at
  const [from, to] = [place.estimate.p50S, place.estimate.p80S].map((seconds) => Math.max(1, Math.ceil(seconds / 60)))
  return `${at} About ${from === to ? from : `${from} to ${to}`} ${to === 1 ? 'minute' : 'minutes'}.`
}

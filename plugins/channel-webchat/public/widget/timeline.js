import { el } from './dom.js'
import { renderPart } from './parts.js'

const GROUP_MS = 5 * 60_000
const FAILED = Object.freeze({
  text_too_long: 'Not sent: the message is too long.',
  body_invalid: 'Not sent: the message was refused.',
})

/**
 * Draws the entries of a conversation into a list element. Each entry keeps its node as long as nothing about it
 * changes, so the live region announces new messages only and a selection survives.
 */
export class Timeline {
  #list
  #use
  #nodes = new Map()

  /** @param {{list: HTMLElement, use: {choose: Function, retry: Function}}} deps */
  constructor({ list, use }) {
    this.#list = list
    this.#use = use
  }

  /** @param entries messages {direction, author, parts, …} and outbox entries {clientId, preview, state, …} */
  draw(entries) {
    const items = entries.map(toItem)
    const lastIn = items.findLastIndex((item) => item.direction === 'in')
    const wanted = []
    items.forEach((item, index) => {
      const previous = items[index - 1]
      const next = items[index + 1]
      if (previous === undefined || dayOf(previous.at) !== dayOf(item.at)) wanted.push(this.#day(item.at))
      wanted.push(
        this.#message({
          ...item,
          first: !sameGroup(previous, item),
          last: !sameGroup(item, next),
          open: index > lastIn,
        }),
      )
    })
    this.#place(wanted)
  }

  #day(at) {
    return this.#keep(`day:${dayOf(at)}`, '', () => el('div', { class: 'day' }, el('span', {}, dayLabel(at))))
  }

  #message(item) {
    const signature = [item.state, item.first, item.last, item.open, item.id, item.shape].join()
    return this.#keep(item.key, signature, () => messageNode(item, this.#use))
  }

  #keep(key, signature, make) {
    const known = this.#nodes.get(key)
    if (known?.signature === signature) return known
    const entry = { key, signature, node: make() }
    if (known !== undefined) {
      entry.node.classList.add('redrawn')
      known.node.replaceWith(entry.node)
    }
    this.#nodes.set(key, entry)
    return entry
  }

  #place(wanted) {
    const keys = new Set(wanted.map((entry) => entry.key))
    for (const [key, { node }] of this.#nodes) {
      if (keys.has(key)) continue
      node.remove()
      this.#nodes.delete(key)
    }
    wanted.forEach(({ node }, index) => {
      const there = this.#list.children[index]
      if (there !== node) this.#list.insertBefore(node, there ?? null)
    })
  }
}

function toItem(entry) {
  if ('preview' in entry) {
    const { clientId, preview, at, state, code } = entry
    return { key: clientId, id: clientId, direction: 'in', at, author: null, parts: [preview], state, code, clientId }
  }
  return {
    key: entry.clientId ?? entry.id,
    id: entry.id,
    direction: entry.direction,
    at: entry.at,
    author: entry.direction === 'out' ? authorName(entry.author) : null,
    parts: entry.parts,
    state: entry.deleted ? 'deleted' : entry.direction === 'in' ? 'sent' : 'received',
    edited: entry.edited === true,
    reactions: entry.reactions ?? [],
    // What may change about a message that stands already. Links are signed anew at each reading, so parts as such do not
    // count unless the message was edited.
    shape: entry.edited || entry.reactions ? JSON.stringify([entry.edited && entry.parts, entry.reactions]) : '',
  }
}

function authorName({ kind, name }) {
  if (name) return name
  return kind === 'bot' ? 'Assistant' : kind === 'system' ? 'Automatic answer' : 'Support'
}

function sameGroup(one, two) {
  return (
    one !== undefined &&
    two !== undefined &&
    one.direction === two.direction &&
    one.author === two.author &&
    two.at - one.at < GROUP_MS &&
    dayOf(one.at) === dayOf(two.at) &&
    one.state !== 'failed'
  )
}

function messageNode(item, use) {
  const author = item.author ?? 'You'
  return el(
    'div',
    {
      class: `message ${item.direction}${item.first ? ' first' : ''}${item.last ? ' last' : ''}`,
      part: `message message-${item.direction}`,
      'data-testid': 'chat-message',
      'data-direction': item.direction,
      'data-state': item.state,
    },
    item.first
      ? el('div', { class: item.direction === 'in' ? 'author hidden' : 'author' }, author)
      : el('span', { class: 'hidden' }, `${author}: `),
    ...(item.state === 'deleted'
      ? [el('div', { class: 'bubble gone' }, 'This message was deleted.')]
      : item.parts.map((part) => renderPart(part, { open: item.open, choose: use.choose }))),
    reactionRow(item.reactions),
    meta(item, use),
  )
}

function reactionRow(reactions) {
  if (!reactions?.length) return null
  return el(
    'div',
    { class: 'reactions', role: 'group', 'aria-label': 'Reactions', 'data-testid': 'chat-reactions' },
    ...reactions.map(({ emoji, count }) => el('span', {}, count > 1 ? `${emoji} ${count}` : emoji)),
  )
}

function meta({ state, last, at, clientId, code, edited }, use) {
  if (state === 'failed') {
    return el(
      'div',
      { class: 'meta failed' },
      el('span', {}, FAILED[code] ?? 'Not sent.'),
      el(
        'button',
        { class: 'retry', type: 'button', 'data-testid': 'chat-retry', onclick: () => use.retry(clientId) },
        'Try again',
      ),
    )
  }
  if (state === 'sending') return el('div', { class: 'meta' }, 'Sending…')
  const changed = edited && state !== 'deleted' ? 'edited' : null
  if (!last) return changed && el('div', { class: 'meta' }, changed)
  const time = el('time', { datetime: new Date(at).toISOString() }, timeLabel(at))
  return el('div', { class: 'meta' }, time, changed && ` · ${changed}`)
}

function dayOf(at) {
  return new Date(at).toDateString()
}

function timeLabel(at) {
  return new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' }).format(at)
}

function dayLabel(at) {
  const days = Math.round((new Date(dayOf(Date.now())) - new Date(dayOf(at))) / 86_400_000)
  if (days === 0) return 'Today'
  if (days === 1) return 'Yesterday'
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }).format(at)
}

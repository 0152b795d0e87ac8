import { el, icon } from './dom.js'
import { parseLinks, parseMarkdown, safeHref } from './markdown.js'

/**
 * One part of a message as DOM. Text becomes text nodes, addresses are checked again here: what the server sanitised is
 * still somebody's words.
 * @param {object} part
 * @param {{choose: (choice: object) => void, open: boolean}} use `open`: choices may still be taken
 */
export function renderPart(part, use) {
  switch (part.type) {
    case 'text':
      return bubble(part.format === 'markdown' ? parseMarkdown(part.text) : parseLinks(part.text))
    case 'choices':
      return el('div', { class: 'stack' }, bubble(parseMarkdown(part.text)), choiceList(part.choices, use))
    case 'card':
      return card(part, use)
    case 'carousel':
      return carousel(part, use)
    case 'media':
      return media(part)
    case 'location':
      return location(part)
    default:
      return bubble(['This message cannot be shown here.'])
  }
}

function bubble(tree) {
  return el('div', { class: 'bubble', dir: 'auto' }, ...tree.map(treeNode))
}

function treeNode(node) {
  if (typeof node === 'string') return document.createTextNode(node)
  const children = node.children.map(treeNode)
  return node.tag === 'a' ? link(node.href, ...children) : el(node.tag, {}, ...children)
}

function link(href, ...children) {
  const checked = safeHref(href)
  if (checked === null) return el('span', {}, ...children)
  return el('a', { href: checked, target: '_blank', rel: 'noopener noreferrer nofollow' }, ...children)
}

function choiceList(choices, use) {
  return el(
    'div',
    { class: 'choices', role: 'group', 'aria-label': 'Answers to choose from' },
    ...choices.map((choice) => {
      if (choice.url) {
        const anchor = link(choice.url, choice.label)
        anchor.className = 'choice'
        return anchor
      }
      return el(
        'button',
        {
          class: 'choice',
          type: 'button',
          dir: 'auto',
          'data-testid': 'chat-choice',
          disabled: !use.open,
          onclick: () => use.choose({ label: choice.label, value: choice.value }),
        },
        choice.label,
      )
    }),
  )
}

function card({ title, text, image, choices }, use) {
  return el(
    'div',
    { class: 'card' },
    image?.url ? picture(image, '') : null,
    el(
      'div',
      { class: 'card-text' },
      el('strong', { dir: 'auto' }, title),
      text ? el('p', { dir: 'auto' }, ...parseMarkdown(text).map(treeNode)) : null,
    ),
    choices.length > 0 ? choiceList(choices, use) : null,
  )
}

function carousel({ text, cards }, use) {
  const row = el(
    'div',
    { class: 'carousel', role: 'list', tabindex: '0', 'aria-label': `${cards.length} cards, scroll sideways` },
    ...cards.map((item) => {
      const node = card(item, use)
      node.setAttribute('role', 'listitem')
      return node
    }),
  )
  return text ? el('div', { class: 'stack' }, bubble(parseMarkdown(text)), row) : row
}

function media({ kind, media: source, caption }) {
  const name = source.name ?? kind
  if (!source.url || safeHref(source.url) === null) return bubble([`${name} is not available`])
  const figure = el('figure', { class: 'media' })
  if (kind === 'image' || kind === 'sticker') figure.append(picture(source, caption ?? name))
  else if (kind === 'video') figure.append(el('video', { src: source.url, controls: true, preload: 'metadata' }))
  else if (kind === 'audio' || kind === 'voice') {
    figure.append(el('audio', { src: source.url, controls: true, preload: 'none', 'aria-label': name }))
  } else figure.append(fileLink(source, name))
  if (caption) figure.append(el('figcaption', { dir: 'auto' }, ...parseMarkdown(caption).map(treeNode)))
  return figure
}

function picture(source, alt) {
  const image = el('img', { src: source.url, alt, loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer' })
  const anchor = link(source.url, image)
  anchor.setAttribute('aria-label', alt || 'Open the picture')
  // A page's content policy may refuse foreign pictures; the link still leads there.
  image.addEventListener('error', () => anchor.replaceChildren(alt || source.name || 'Open the picture'))
  return anchor
}

function fileLink(source, name) {
  const anchor = link(source.url, icon('file'), el('span', {}, name), el('small', {}, fileSize(source.size)))
  anchor.className = 'file'
  return anchor
}

function fileSize(bytes) {
  if (typeof bytes !== 'number') return ''
  const units = ['B', 'kB', 'MB', 'GB']
  let amount = bytes
  let unit = 0
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000
    unit += 1
  }
  return `${amount >= 10 || unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`
}

function location({ lat, lon, name, address }) {
  const map = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`
  const label = name ?? address ?? `${lat.toFixed(5)}, ${lon.toFixed(5)}`
  const anchor = link(
    map,
    icon('pin'),
    el('span', { dir: 'auto' }, label),
    el('small', {}, name && address ? address : 'Open the map'),
  )
  anchor.className = 'file'
  return anchor
}

/**
 * A small, safe part of Markdown as a tree: bold, italics, code, links. Pure; the tree is turned into DOM nodes by
 * render.js, so no text ever becomes HTML. Whatever is not understood stays text.
 *
 * Node = string | {tag: 'strong'|'em'|'code'|'pre', children} | {tag: 'a', href, children}
 */
const SCHEMES = ['http:', 'https:', 'mailto:']
const FENCE = /```[^\n`]*\n([\s\S]*?)\n?```/
// One alternative each; the bounded repetitions keep matching linear in practice on hostile text.
const INLINE = new RegExp(
  [
    '`([^`\\n]{1,2000})`',
    '\\[([^\\[\\]\\n]{1,500})\\]\\(([^()\\s]{1,2000})\\)',
    '\\*\\*(?=[^\\s*])((?:[^*\\n]|\\*(?!\\*)){1,2000}?)(?<=\\S)\\*\\*',
    '(?<![\\w*])\\*(?=\\S)([^*\\n]{1,2000}?\\S|[^*\\s])\\*(?![\\w*])',
    '(?<![\\w_])_(?=\\S)([^_\\n]{1,2000}?\\S|[^_\\s])_(?![\\w_])',
    '(https?://[^\\s<>"`]{1,2000})',
  ].join('|'),
)

/** @param {string} source */
export function parseMarkdown(source) {
  const fence = FENCE.exec(source)
  if (fence === null) return inline(source, 0)
  const before = source.slice(0, fence.index).replace(/\n$/, '')
  const after = source.slice(fence.index + fence[0].length).replace(/^\n/, '')
  return [
    ...(before === '' ? [] : inline(before, 0)),
    { tag: 'pre', children: [fence[1]] },
    ...(after === '' ? [] : parseMarkdown(after)),
  ]
}

/** Plain text with addresses made clickable. */
export function parseLinks(source) {
  const nodes = []
  let rest = source
  for (let found; (found = /https?:\/\/[^\s<>"`]{1,2000}/.exec(rest)) !== null;) {
    const bare = bareLink(found[0])
    if (found.index > 0) nodes.push(rest.slice(0, found.index))
    nodes.push(bare.node)
    rest = rest.slice(found.index + bare.length)
  }
  if (rest !== '') nodes.push(rest)
  return nodes
}

/** The address when it is one a page may link to, else null. */
export function safeHref(href) {
  try {
    const url = new URL(href)
    return SCHEMES.includes(url.protocol) ? url.href : null
  } catch {
    return null
  }
}

function inline(source, depth) {
  const nodes = []
  let rest = source
  for (let found; depth < 4 && (found = INLINE.exec(rest)) !== null;) {
    const [whole, code, label, target, bold, star, underscore, address] = found
    let node
    let length = whole.length
    if (code !== undefined) node = { tag: 'code', children: [code] }
    else if (label !== undefined) {
      const href = safeHref(target)
      node = href === null ? whole : { tag: 'a', href, children: [label] }
    } else if (bold !== undefined) node = { tag: 'strong', children: inline(bold, depth + 1) }
    else if (address !== undefined) ({ node, length } = bareLink(address))
    else node = { tag: 'em', children: inline(star ?? underscore, depth + 1) }
    if (found.index > 0) nodes.push(rest.slice(0, found.index))
    nodes.push(node)
    rest = rest.slice(found.index + length)
  }
  if (rest !== '') nodes.push(rest)
  return nodes
}

/** A sentence's full stop or bracket behind an address is not part of it. */
function bareLink(address) {
  const text = address.replace(/[.,;:!?'*_)\]]+$/, '')
  const href = safeHref(text)
  return href === null
    ? { node: address, length: address.length }
    : { node: { tag: 'a', href, children: [text] }, length: text.length }
}

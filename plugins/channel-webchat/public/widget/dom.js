const SVG = 'http://www.w3.org/2000/svg'

/**
 * One element. Properties starting with `on` are listeners, `data`, `aria` and others are attributes; null is left out.
 * Children are nodes or text; never markup.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== null && child !== undefined))
  return element
}

/** A line icon of 24 × 24, hidden from assistive technology: its button carries the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg')
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' })) {
    svg.setAttribute(key, value)
  }
  for (const d of icons[name]) {
    const path = document.createElementNS(SVG, 'path')
    path.setAttribute('d', d)
    svg.append(path)
  }
  return svg
}

const icons = Object.freeze({
  chat: ['M20 11.5a7.5 7.5 0 0 1-7.5 7.5H5l1.7-2.9A7.5 7.5 0 1 1 20 11.5Z', 'M9 10.2h7', 'M9 13.4h4.5'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  down: ['M12 5v14', 'M6 13l6 6 6-6'],
  minimise: ['M6 9.5l6 6 6-6'],
  send: ['M5 12h13', 'M12.5 5.5L19 12l-6.5 6.5'],
  file: ['M14 3H7a1 1 0 0 0-1 1v16a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V7l-4-4Z', 'M14 3v4h4'],
  pin: ['M12 21s7-6.1 7-11.5a7 7 0 1 0-14 0C5 14.9 12 21 12 21Z', 'M12 12a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8Z'],
})

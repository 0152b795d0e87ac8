/**
 * Server-sent events out of a fetch body. EventSource cannot send a header, and a token has no place in an address.
 * @param {ReadableStream<Uint8Array>} body
 * @param {(event: {event: string, id: string, data: string}) => void} onEvent
 * @param {() => void} [onBytes] called for every chunk, comments included: the line is alive
 */
export async function readEvents(body, onEvent, onBytes = () => {}) {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const parse = eventParser(onEvent)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      onBytes()
      parse(decoder.decode(value, { stream: true }))
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** The line protocol of the HTML standard; chunks may be cut anywhere, also between CR and LF. */
export function eventParser(onEvent) {
  let rest = ''
  let event = ''
  let id = ''
  let data = []
  const line = (text) => {
    if (text === '') {
      if (data.length > 0) onEvent({ event: event || 'message', id, data: data.join('\n') })
      event = ''
      data = []
      return
    }
    if (text.startsWith(':')) return
    const colon = text.indexOf(':')
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') event = value
    else if (field === 'id') id = value
    else if (field === 'data') data.push(value)
  }
  return (chunk) => {
    rest += chunk
    // A CR at the very end may be half of a CRLF: it waits for the next chunk.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(rest)) !== null;) {
      line(rest.slice(0, end.index))
      rest = rest.slice(end.index + end[0].length)
    }
  }
}

import { isAscii, isUtf8 } from 'node:buffer'
import { decodeCharset, foreign } from './charset.js'

/**
 * The MIME parser decodes with TextDecoder, which knows neither cp850, utf-7 nor iso-2022-kr, and takes undeclared 8-bit
 * text for UTF-8. Mails that need more are rewritten before parsing: their text parts become base64 UTF-8, their header
 * lines UTF-8. All other mails, nearly all, pass untouched.
 */
export function repairCharsets(raw: Buffer): Buffer {
  if (isUtf8(raw) && !hasForeignLabel(raw)) return raw
  return rewrite(raw)
}

function hasForeignLabel(raw: Buffer): boolean {
  const text = raw.toString('latin1', 0, raw.length)
  for (const pattern of [/charset\s{0,4}=\s{0,4}"?([\w.:-]{1,40})/gi, /=\?([\w.:-]{1,40})\?[bq]\?/gi]) {
    for (const match of text.matchAll(pattern)) if (foreign(match[1] as string)) return true
  }
  // Japanese mail without a charset: ESC $ announces ISO-2022-JP.
  return text.includes('\u001b$')
}

type Block = {
  readonly header: readonly string[]
  readonly type: string
  readonly charset: string | null
  readonly encoding: string
  readonly boundary: string | null
}

/** Walks header blocks and leaf bodies by their boundaries; message/rfc822 parts stay as they are. */
function rewrite(raw: Buffer): Buffer {
  const out: Buffer[] = []
  const boundaries: string[] = []
  let at = 0
  for (;;) {
    const headerEnd = findHeaderEnd(raw, at)
    const block = readHeader(raw.subarray(at, headerEnd.end))
    const bodyEnd = findBoundary(
      raw,
      headerEnd.next,
      block.boundary === null ? boundaries : [...boundaries, block.boundary],
    )
    if (block.boundary !== null && boundaries.length < 200) boundaries.push(block.boundary)
    const body = raw.subarray(headerEnd.next, bodyEnd.start)
    const text = block.boundary === null ? leafText(block, body) : null
    if (text === null) out.push(Buffer.from(block.header.join('\r\n') + '\r\n\r\n'), body)
    else out.push(Buffer.from(utf8Header(block)), Buffer.from(wrap(Buffer.from(text).toString('base64')) + '\r\n'))
    if (bodyEnd.start >= raw.length) break
    out.push(raw.subarray(bodyEnd.start, bodyEnd.next))
    at = bodyEnd.next
    // After a closing line comes an epilogue, until the next boundary of an outer level opens a part.
    let final = bodyEnd.final
    while (final && at < raw.length) {
      const next = findBoundary(raw, at, boundaries)
      out.push(raw.subarray(at, next.next))
      at = next.next
      final = next.final
    }
    if (at >= raw.length) break
  }
  return Buffer.concat(out)
}

function findHeaderEnd(raw: Buffer, from: number): { readonly end: number; readonly next: number } {
  let at = from
  while (at < raw.length) {
    const lf = raw.indexOf(0x0a, at)
    const next = lf < 0 ? raw.length : lf + 1
    const length = (lf < 0 ? raw.length : lf) - at
    if (length === 0 || (length === 1 && raw[at] === 0x0d)) return { end: at, next }
    at = next
  }
  return { end: raw.length, next: raw.length }
}

function findBoundary(
  raw: Buffer,
  from: number,
  boundaries: readonly string[],
): { readonly start: number; readonly next: number; readonly final: boolean } {
  let at = from
  while (at < raw.length) {
    const lf = raw.indexOf(0x0a, at)
    const next = lf < 0 ? raw.length : lf + 1
    if (raw[at] === 0x2d && raw[at + 1] === 0x2d) {
      const line = raw.toString('latin1', at + 2, Math.min(next, at + 202)).trimEnd()
      if (boundaries.includes(line)) return { start: at, next, final: false }
      if (line.endsWith('--') && boundaries.includes(line.slice(0, -2))) return { start: at, next, final: true }
    }
    at = next
  }
  return { start: raw.length, next: raw.length, final: true }
}

function readHeader(bytes: Buffer): Block {
  const physical = bytes
    .toString('latin1', 0, bytes.length)
    .split(/\r?\n/)
    .filter((line) => line !== '')
  const value = (name: string): string => {
    const start = physical.findIndex((line) => line.toLowerCase().startsWith(`${name}:`))
    if (start < 0) return ''
    let end = start + 1
    while (end < physical.length && /^[ \t]/.test(physical[end] as string)) end++
    return physical
      .slice(start, end)
      .join('')
      .slice(name.length + 1, 4096)
  }
  const contentType = value('content-type')
  const parameter = (name: string): string | null => {
    const match = new RegExp(`;\\s{0,20}${name}\\s{0,4}=\\s{0,4}(?:"([^"]{1,200})"|([^\\s;"]{1,200}))`, 'i').exec(
      contentType,
    )
    return match === null ? null : (match[1] ?? match[2] ?? null)
  }
  const type = (/^\s*([\w.+-]+\/[\w.+-]+)/.exec(contentType)?.[1] ?? 'text/plain').toLowerCase()
  const charset = parameter('charset')
  const header = physical.map((line) => decodeHeaderLine(line, charset))
  return {
    header,
    type,
    charset,
    encoding: value('content-transfer-encoding').trim().toLowerCase(),
    boundary: type.startsWith('multipart/') ? parameter('boundary') : null,
  }
}

/** A raw header line in UTF-8: as it is if valid, else by the part's charset, else Windows-1252. */
function decodeHeaderLine(latin1: string, charset: string | null): string {
  const bytes = Buffer.from(latin1, 'latin1')
  const text = isUtf8(bytes)
    ? bytes.toString('utf8')
    : ((charset === null ? null : decodeCharset(bytes, charset)) ?? decodeCharset(bytes, 'windows-1252') ?? latin1)
  return text.replace(
    /=\?([\w.:-]{1,40})\?([bq])\?([^?\s]{0,2000})\?=/gi,
    (word, label: string, how: string, data: string) => {
      if (!foreign(label)) return word
      const decoded = decodeCharset(
        how.toLowerCase() === 'b' ? Buffer.from(data, 'base64') : unquote(data.replaceAll('_', ' ')),
        label,
      )
      return decoded === null ? word : `=?utf-8?B?${Buffer.from(decoded).toString('base64')}?=`
    },
  )
}

/** The decoded text of a leaf that must be rewritten; null: leave it. */
function leafText(block: Block, body: Buffer): string | null {
  if (block.type !== 'text/plain' && block.type !== 'text/html') return null
  const label = block.charset?.toLowerCase() ?? null
  const declared = label !== null && label !== 'us-ascii' && label !== 'ascii'
  if (declared && !foreign(label)) return null
  const bytes = block.encoding.includes('base64')
    ? Buffer.from(body.toString('latin1', 0, body.length), 'base64')
    : block.encoding.includes('quoted-printable')
      ? unquote(body.toString('latin1', 0, body.length).replace(/=[ \t]{0,20}\r?\n/g, ''))
      : body
  if (declared) return decodeCharset(bytes, label)
  if (isAscii(bytes)) return bytes.includes('\u001b$') ? decodeCharset(bytes, 'iso-2022-jp') : null
  return isUtf8(bytes) ? null : decodeCharset(bytes, 'windows-1252')
}

function unquote(text: string): Buffer {
  const out = Buffer.alloc(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const hex = text[i] === '=' ? text.slice(i + 1, i + 3) : ''
    if (/^[0-9a-f]{2}$/i.test(hex)) {
      out[length++] = Number.parseInt(hex, 16)
      i += 2
    } else out[length++] = text.charCodeAt(i) & 0xff
  }
  return out.subarray(0, length)
}

/** The block's header with charset and encoding replaced; further parameters (format=flowed) are kept. */
function utf8Header(block: Block): string {
  const lines: string[] = []
  let skipping = false
  let type = ''
  let inType = false
  for (const line of block.header) {
    if (/^[ \t]/.test(line)) {
      if (inType) type += line
      else if (!skipping) lines.push(line)
      continue
    }
    const lower = line.toLowerCase()
    inType = lower.startsWith('content-type:') && type === ''
    skipping = lower.startsWith('content-transfer-encoding:') || lower.startsWith('content-type:')
    if (inType) type = line
    else if (!skipping) lines.push(line)
  }
  const kept = (type === '' ? `Content-Type: ${block.type}` : type).replace(
    /;\s{0,20}charset\s{0,4}=\s{0,4}(?:"[^"]{0,200}"|[^\s;"]{0,200})/i,
    '',
  )
  lines.push(`${kept.trimEnd()}; charset=utf-8`, 'Content-Transfer-Encoding: base64')
  return lines.join('\r\n') + '\r\n\r\n'
}

function wrap(base64: string): string {
  return base64.replace(/.{76}/g, '$&\r\n')
}

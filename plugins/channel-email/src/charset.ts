import iconv from 'iconv-lite'

/** Decodes with whatever knows the charset; null when nothing does. */
export function decodeCharset(bytes: Uint8Array, label: string): string | null {
  const name = label.trim().toLowerCase()
  if (ISO_2022_KR.test(name)) return decodeIso2022Kr(bytes)
  const encoding = encodingOf(name)
  // iconv-lite for Windows-1252: TextDecoder of some Node versions drops 0x80-0x9f, curly quotes and the euro sign.
  if (encoding === 'windows-1252') return iconv.decode(Buffer.from(bytes), 'windows-1252')
  if (encoding !== null) return new TextDecoder(encoding).decode(bytes)
  return name.length <= 40 && iconv.encodingExists(name) ? iconv.decode(Buffer.from(bytes), name) : null
}

const ISO_2022_KR = /^(?:cs)?iso-?2022-?kr$/
const latin1IsBroken = new TextDecoder('windows-1252').decode(Uint8Array.of(0x92)) !== '\u2019'
const encodings = new Map<string, string | null>()

/** The encoding TextDecoder knows this label by; null: it does not. */
function encodingOf(name: string): string | null {
  let answer = encodings.get(name)
  if (answer === undefined) {
    try {
      answer = new TextDecoder(name).encoding
    } catch {
      answer = null
    }
    if (answer === 'replacement') answer = null
    // Labels come from strangers: the cache must not grow without bound.
    if (encodings.size < 500) encodings.set(name, answer)
  }
  return answer
}

/** ISO-2022-KR is EUC-KR in 7 bits: between SO and SI the high bit is missing. */
function decodeIso2022Kr(bytes: Uint8Array): string {
  const out: number[] = []
  let shifted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === 0x1b && bytes[i + 1] === 0x24 && bytes[i + 2] === 0x29 && bytes[i + 3] === 0x43) i += 3
    else if (byte === 0x0e) shifted = true
    else if (byte === 0x0f) shifted = false
    else {
      if (byte === 0x0a) shifted = false
      out.push(shifted && byte > 0x20 ? byte | 0x80 : byte)
    }
  }
  return new TextDecoder('euc-kr').decode(Uint8Array.from(out))
}

/** Can we decode it, and the MIME parser cannot? */
export function foreign(label: string): boolean {
  const name = label.toLowerCase()
  const encoding = encodingOf(name)
  if (encoding === 'windows-1252') return latin1IsBroken && name !== 'us-ascii' && name !== 'ascii'
  return encoding === null && (ISO_2022_KR.test(name) || iconv.encodingExists(name))
}

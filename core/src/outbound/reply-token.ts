import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Says that an answer belongs to a conversation, without a table: 16 bytes of the conversation's id and 9 bytes of a MAC
 * over conversation and recipient, as 40 characters of base32 in lower case, because mail systems fold case. The
 * recipient is not in the token: a forwarded one does not work for somebody else.
 */
export function mintReplyToken(key: Uint8Array, conversation: string, recipient: string): string {
  const id = Buffer.from(conversation.replaceAll('-', ''), 'hex')
  return toBase32(Buffer.concat([id, macOf(key, id, recipient)]))
}

/** The conversation a token was made for, if this sender is the recipient it was made for; else null. */
export function verifyReplyToken(
  key: Uint8Array,
  token: string,
  sender: string,
): { readonly conversation: string } | null {
  const bytes = token.length === TOKEN_LENGTH ? fromBase32(token.toLowerCase()) : null
  if (bytes === null) return null
  const id = bytes.subarray(0, ID_BYTES)
  if (!timingSafeEqual(bytes.subarray(ID_BYTES), macOf(key, id, sender))) return null
  const hex = id.toString('hex')
  return {
    conversation: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'),
  }
}

const ID_BYTES = 16
const MAC_BYTES = 9
const TOKEN_LENGTH = ((ID_BYTES + MAC_BYTES) * 8) / 5
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Case of an address does not matter on the way back either. */
function macOf(key: Uint8Array, conversation: Uint8Array, recipient: string): Buffer {
  const mac = createHmac('sha256', key).update('reply-token\0').update(conversation).update(recipient.toLowerCase())
  return mac.digest().subarray(0, MAC_BYTES)
}

function toBase32(bytes: Buffer): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >>> (bits - 5)) & 31] ?? ''
    value &= (1 << bits) - 1
  }
  return text
}

function fromBase32(text: string): Buffer | null {
  const bytes: number[] = []
  let bits = 0
  let value = 0
  for (const character of text) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return null
    value = (value << 5) | digit
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((value >>> bits) & 255)
    value &= (1 << bits) - 1
  }
  return Buffer.from(bytes)
}

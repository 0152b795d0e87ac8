import { createHash } from 'node:crypto'
import type { Signer } from '@throughline/plugin-sdk'
import { type OwnAddress, plusPart, rawAddresses } from './addresses.js'

/** References lines can be huge: the newest ids within these bounds are read. */
const MAX_IDS = 50
const MAX_REFERENCES = 8192
/** Ends the local part of every Message-ID we make; what ends so at our domain is our own mail. */
const MARK = '.tl'
export const LOOP_HEADER = 'X-Throughline-Loop'

/** One message id without its angle brackets; null: not usable as one. */
export function normalizeMessageId(raw: string): string | null {
  const open = raw.indexOf('<')
  const close = open < 0 ? -1 : raw.indexOf('>', open)
  const id = (close > open ? raw.slice(open + 1, close) : raw).trim()
  return usable(id) ? id : null
}

function usable(id: string): boolean {
  // Printable ASCII or UTF-8 without blanks: what can be written into a References line again.
  // eslint-disable-next-line no-control-regex
  return id.length >= 3 && id.length <= 400 && !/[\u0000-\u0020\u007f-\u00a0<>]/.test(id)
}

/** Ids of an In-Reply-To or References value in their order; junk between them is skipped. */
export function messageIds(value: string): readonly string[] {
  const ids: string[] = []
  let at = 0
  for (;;) {
    const open = value.indexOf('<', at)
    const close = open < 0 ? -1 : value.indexOf('>', open)
    if (close < 0) break
    // `<junk <real@id>`: the last opening bracket counts.
    const inner = value.slice(value.lastIndexOf('<', close) + 1, close).trim()
    if (usable(inner)) ids.push(inner)
    at = close + 1
  }
  if (ids.length > 0) return ids
  return value.split(/\s+/).filter((word) => word.includes('@') && usable(word))
}

/** Which messages this one answers, best first: In-Reply-To, then References from the end. */
export function answeredIds(inReplyTo: string, references: string): readonly string[] {
  const newest = references.slice(-MAX_REFERENCES)
  const ids = [...messageIds(inReplyTo.slice(0, MAX_REFERENCES)), ...[...messageIds(newest)].reverse()]
  return [...new Set(ids)].slice(0, MAX_IDS)
}

/** The token of a `local+token@domain` address of ours: envelope first, then the headers; null: none. */
export function findReplyToken(
  own: OwnAddress,
  envelope: readonly string[],
  headers: readonly string[],
): string | null {
  for (const address of [...envelope, ...headers.flatMap((header) => rawAddresses(header))]) {
    const token = plusPart(address, own)
    if (token !== null && token.length > 0 && token.length <= 256) return token
  }
  return null
}

/** `local+token@domain`, or null where the address would be longer than mail systems accept (64 octets before the @). */
export function replyAddress(own: OwnAddress, token: string): string | null {
  if (!/^[A-Za-z0-9._~=-]{1,60}$/.test(token)) return null
  const local = `${own.local}+${token}`
  return local.length <= 64 ? `${local}@${own.replyDomain}` : null
}

/** Message-ID of an outgoing part: the same at every try, so that a doubled send is one message to the reader. */
export function ownMessageId(partId: string, own: OwnAddress): string {
  const name = /^[A-Za-z0-9_-]{1,64}$/.test(partId)
    ? partId
    : createHash('sha256').update(partId).digest('hex').slice(0, 40)
  return `${name}${MARK}@${own.replyDomain}`
}

export function isOwnMessageId(id: string, own: OwnAddress): boolean {
  const at = id.lastIndexOf('@')
  return at > MARK.length && id.slice(0, at).endsWith(MARK) && own.domains.includes(id.slice(at + 1).toLowerCase())
}

/**
 * Value of the loop header: instance and a signature over the Message-ID's local part. Signed, because another engine may
 * use the same instance id, and its customers' mail must not be dropped as ours.
 */
export function loopMark(instance: string, messageId: string, signer: Signer): string {
  const seed = messageId.slice(0, messageId.lastIndexOf('@'))
  return `${instance} ${seed} ${signer.sign(`loop:${seed}`)}`
}

export function isOwnLoopMark(value: string, instance: string, signer: Signer): boolean {
  const [name, seed, signature] = value.trim().split(/\s+/)
  return name === instance && seed !== undefined && signature !== undefined && signer.verify(`loop:${seed}`, signature)
}

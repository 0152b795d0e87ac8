import { createHash, randomBytes } from 'node:crypto'
import type { Signer } from '@throughline/plugin-sdk'
import { Problem } from './problem.js'
import type { SiteIdentity, Visitor } from './visitor.js'

/** Separates these signatures from anything else signed with the instance's key. */
const PURPOSE = 'webchat-visitor:'
const VISITOR_ID = /^[A-Za-z0-9_-]{22}$/
const MAX_TOKEN = 4096

/** A fresh anonymous visitor: 128 random bits, not guessable. */
export function newVisitorId(): string {
  return randomBytes(16).toString('base64url')
}

/**
 * The thread of a visitor. Signed: derived from the account, so that one person on two browsers has one thread, and
 * never equal to an anonymous id, which holds no colon.
 */
export function threadOf(id: string, site: SiteIdentity | undefined): string {
  return site === undefined ? id : `site:${createHash('sha256').update(site.account).digest('base64url')}`
}

/** `v1.<visitor>.<expiry>.<claims base64url>.<mac>` */
export function mintVisitorToken(signer: Signer, visitor: Visitor): string {
  const claims = Buffer.from(JSON.stringify(visitor.site ?? {})).toString('base64url')
  const body = `v1.${visitor.id}.${Math.floor(visitor.expiresAt / 1000)}.${claims}`
  return `${body}.${signer.sign(PURPOSE + body)}`
}

/** The visitor of a token of this channel. Throws `token_invalid` or `token_expired`; claims are read after the MAC. */
export function readVisitorToken(signer: Signer, token: string, now: number): Visitor {
  const fields = token.length <= MAX_TOKEN ? /^(v1\.([^.]+)\.(\d{1,12})\.([\w-]*))\.(.+)$/s.exec(token) : null
  const [, body = '', id = '', expiry = '', claims = '', mac = ''] = fields ?? []
  if (fields === null || !VISITOR_ID.test(id) || !signer.verify(PURPOSE + body, mac)) throw new Problem('token_invalid')
  const expiresAt = Number(expiry) * 1000
  if (expiresAt <= now) throw new Problem('token_expired')
  const stored = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Partial<SiteIdentity>
  const site = stored.account === undefined ? undefined : (stored as SiteIdentity)
  return { id, thread: threadOf(id, site), expiresAt, ...(site === undefined ? {} : { site }) }
}

/** The visitor who calls: `Authorization: Bearer`, never a query parameter. */
export function requireVisitor(signer: Signer, headers: Readonly<Record<string, string>>, now: number): Visitor {
  const token = /^Bearer +(\S+) *$/i.exec(headers['authorization'] ?? '')?.[1]
  if (token === undefined) throw new Problem('token_missing')
  return readVisitorToken(signer, token, now)
}

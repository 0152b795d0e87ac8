import type { Clock, Signer } from '@throughline/plugin-sdk'
import type { Config } from './config.js'
import { Problem } from './problem.js'
import { readSiteToken } from './site-token.js'
import type { SiteIdentity, Visitor } from './visitor.js'
import { mintVisitorToken, newVisitorId, readVisitorToken, threadOf } from './visitor-token.js'

export type SessionDeps = {
  readonly config: Config
  /** Id of the channel: the default audience of site tokens. */
  readonly instance: string
  readonly signer: Signer
  readonly clock: Clock
}

export type Session = {
  readonly token: string
  readonly thread: string
  readonly expiresAt: number
  /** True when the earlier token was still good, so the thread may hold messages. */
  readonly resumed: boolean
  readonly signed: boolean
  readonly name: string | null
  readonly title: string
  readonly greeting: string | null
  readonly ask: readonly string[]
}

/**
 * Opens or resumes a session. Writes nothing: a visitor exists in the engine from the first message on.
 * - site token: the signed thread, whatever earlier token came along; an anonymous thread stays with its own token;
 * - earlier anonymous token: the same visitor, with a new expiry;
 * - earlier signed token: the same visitor, never a later expiry, since only the site can vouch again;
 * - else a new anonymous visitor.
 */
export async function openSession(deps: SessionDeps, body: Readonly<Record<string, unknown>>): Promise<Session> {
  const { config, clock } = deps
  const now = clock.now()
  const siteToken = optionalString(body, 'site')
  const earlier = earlierVisitor(deps, optionalString(body, 'token'), now)
  const site = siteToken === undefined ? earlier?.site : await readSiteToken(siteToken, siteRules(deps, now))
  if (site === undefined && config.requireSigned) throw new Problem('site_token_required')
  const id = earlier?.id ?? newVisitorId()
  const thread = threadOf(id, site)
  const visitor: Visitor = {
    id,
    thread,
    expiresAt: expiry(config, { now, site, fresh: siteToken !== undefined, earlier }),
    ...(site === undefined ? {} : { site }),
  }
  return {
    token: mintVisitorToken(deps.signer, visitor),
    thread,
    expiresAt: visitor.expiresAt,
    resumed: earlier?.thread === thread || site !== undefined,
    signed: site !== undefined,
    name: site?.name ?? null,
    title: config.title,
    greeting: config.greeting ?? null,
    ask: site === undefined ? config.ask : [],
  }
}

function siteRules({ config, instance }: SessionDeps, now: number) {
  const secrets = [config.siteSecret, config.previousSiteSecret].flatMap((secret) =>
    secret === undefined ? [] : [new TextEncoder().encode(secret)],
  )
  return { secrets, audience: config.audience ?? instance, now }
}

function expiry(
  config: Config,
  at: { now: number; site: SiteIdentity | undefined; fresh: boolean; earlier: Visitor | undefined },
): number {
  if (at.site === undefined) return at.now + config.visitorDays * 86_400_000
  return at.fresh ? at.now + config.signedHours * 3_600_000 : (at.earlier?.expiresAt ?? at.now)
}

/** A bad earlier token is no error: the visitor starts anew, and learns nothing about the thread it named. */
function earlierVisitor({ signer }: SessionDeps, token: string | undefined, now: number): Visitor | undefined {
  if (token === undefined) return undefined
  try {
    return readVisitorToken(signer, token, now)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

function optionalString(body: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = body[key]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw new Problem('body_invalid', `${key} must be a string`)
  return value
}

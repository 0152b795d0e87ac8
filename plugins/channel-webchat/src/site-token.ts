import type { JWTPayload } from 'jose'
import { cleanLine } from './text.js'
import { Problem } from './problem.js'
import type { SiteIdentity } from './visitor.js'

export type SiteTokenRules = {
  /** Any of them may have signed; the first is the current one. */
  readonly secrets: readonly Uint8Array[]
  readonly audience: string
  /** ms since the epoch. */
  readonly now: number
}

const MAX_TOKEN = 8192

/**
 * Checks a JWT of the operator's site: HS256 only (so `none` and key confusion are out), `exp`, `sub` and `aud` required.
 * A plain hash of the user id would be good for ever and everywhere; expiry and audience are what this is for.
 */
export async function readSiteToken(token: string, rules: SiteTokenRules): Promise<SiteIdentity> {
  if (rules.secrets.length === 0) throw new Problem('site_token_unsupported')
  if (token.length > MAX_TOKEN) throw new Problem('site_token_invalid')
  // Loaded with the first token: most sites sign none.
  const { errors, jwtVerify } = await import('jose')
  let expired = false
  for (const secret of rules.secrets) {
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: ['HS256'],
        audience: rules.audience,
        requiredClaims: ['exp', 'sub', 'aud'],
        clockTolerance: 10,
        currentDate: new Date(rules.now),
      })
      return identityOf(payload)
    } catch (error) {
      if (error instanceof Problem) throw error
      // The signature is checked before the claims: expiry is only told to the holder of a genuine token.
      if (error instanceof errors.JWTExpired) expired = true
    }
  }
  throw new Problem(expired ? 'site_token_expired' : 'site_token_invalid')
}

function identityOf(payload: JWTPayload): SiteIdentity {
  const account = payload.sub
  if (
    typeof account !== 'string' ||
    account.length === 0 ||
    account.length > 255 ||
    account !== cleanLine(account, 255)
  ) {
    throw new Problem('site_token_invalid', 'sub must be 1 to 255 printable characters')
  }
  const name = line(payload['name'], 120)
  // The site may carry addresses it has not checked itself; then it says so and they are not ours to trust either.
  const email = payload['email_verified'] === false ? undefined : line(payload['email'], 254)
  const phoneChecked = payload['phone_verified'] !== false && payload['phone_number_verified'] !== false
  const phone = phoneChecked ? line(payload['phone'] ?? payload['phone_number'], 32) : undefined
  return {
    account,
    ...(name === undefined ? {} : { name }),
    ...(email === undefined || !email.includes('@') ? {} : { email }),
    ...(phone === undefined ? {} : { phone }),
  }
}

function line(value: unknown, max: number): string | undefined {
  if (typeof value !== 'string' || value.length > max) return undefined
  return cleanLine(value, max) || undefined
}

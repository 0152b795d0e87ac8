import { PluginError } from '@throughline/plugin-sdk'

/** What a failed delivery looks like; the fields nodemailer puts on its errors. */
type SmtpFailure = {
  readonly message?: string
  readonly name?: string
  readonly code?: string
  readonly originalCode?: string
  readonly responseCode?: number
  readonly response?: string
  readonly command?: string
  readonly cause?: unknown
}

const CERTIFICATE = /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|ERR_TLS_CERT)/
const AUTH_CODES = new Set([530, 534, 535, 538])

/**
 * Failure of a delivery → the core's error code. `sending`: the message itself was on its way, so that silence afterwards
 * leaves open whether it arrived. The server's own words stay in `details` and are not logged: they name the recipient.
 */
export function smtpError(error: unknown, sending: boolean): PluginError {
  const failure = (typeof error === 'object' && error !== null ? error : {}) as SmtpFailure
  const status = failure.responseCode ?? 0
  const enhanced = /\b([245])\.(\d{1,3})\.(\d{1,3})\b/.exec(failure.response ?? '')
  const details = {
    ...(status > 0 && { status }),
    ...(enhanced !== null && { enhanced: enhanced[0] }),
    ...(failure.code !== undefined && { reason: failure.code }),
  }
  const make = (code: PluginError['code'], message: string, userMessage?: string) =>
    new PluginError(code, message, { cause: error, details, ...(userMessage !== undefined && { userMessage }) })

  if (
    AUTH_CODES.has(status) ||
    failure.code === 'ENOAUTH' ||
    failure.code === 'EOAUTH2' ||
    (failure.code === 'EAUTH' && !(status >= 400 && status < 500))
  ) {
    return make('auth', 'the outgoing mail server refused the login; check outgoing.user and outgoing.password')
  }
  const certificate =
    failure.originalCode ?? (failure.cause as { code?: string } | undefined)?.code ?? failure.code ?? ''
  if (CERTIFICATE.test(certificate))
    return make('config', 'the certificate of the outgoing mail server is not trusted; check outgoing.host')
  if (failure.code === 'ETLS' && !(status >= 400 && status < 500))
    return make('config', 'the outgoing mail server offers no usable TLS; check outgoing.port, secure and requireTls')
  if (status === 421)
    return withWait(make('rate_limited', 'the outgoing mail server asks to come back later'), error, details)
  if (status >= 400 && status < 500) return make('retryable', `the outgoing mail server refused for now (${status})`)
  if (status >= 500) return refused(status, enhanced, failure.command ?? '', make)
  if (failure.code === 'EENVELOPE')
    return make('recipient', 'the address cannot be written to', 'The mail system does not accept this address')
  if (failure.code === 'EMESSAGE' || failure.code === 'ESTREAM')
    return make('permanent', 'the mail is too large for the outgoing server', 'Too large for the mail server')
  if (sending)
    return make('uncertain', 'the connection ended after the mail was handed over; it may have been delivered')
  return make('retryable', `the outgoing mail server cannot be reached (${failure.code ?? failure.name ?? 'error'})`)
}

function refused(
  status: number,
  enhanced: RegExpExecArray | null,
  command: string,
  make: (code: PluginError['code'], message: string, userMessage?: string) => PluginError,
): PluginError {
  // 5.1.x is about the address, 5.2.1 a closed mailbox; 5.7.x at RCPT is the receiver's policy towards us.
  const [, , subject = '', detail = ''] = enhanced ?? []
  const address = subject === '1' || (subject === '2' && detail === '1')
  const rcpt = command === 'RCPT TO' && (status === 550 || status === 551 || status === 553) && subject !== '7'
  if (address || rcpt)
    return make('recipient', `the recipient was refused (${status})`, 'This address does not accept mail')
  if (status === 552)
    return make(
      'permanent',
      `the mail was refused (${status}): too large or the mailbox is full`,
      'Refused: too large, or the mailbox is full',
    )
  return make('permanent', `the mail was refused (${status})`, 'The mail server refused this mail')
}

function withWait(error: PluginError, cause: unknown, details: Readonly<Record<string, unknown>>): PluginError {
  return new PluginError('rate_limited', error.message, { retryAfterMs: 60_000, cause, details })
}

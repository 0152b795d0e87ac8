import { errorOfStatus, objectOf, numberOf, PluginError } from '@throughline/plugin-sdk'
import type { HttpResponse, PluginErrorCode, Shape } from '@throughline/plugin-sdk'

/** How a Graph error is treated. `waitMs` for throttling; `userAction` tells the operator what only they can do. */
export type Rule = {
  readonly code: PluginErrorCode
  readonly waitMs?: number
  readonly scope?: 'thread'
  readonly userMessage?: string
  readonly userAction?: string
}

const second = 1000
const minute = 60 * second

const rules: readonly (readonly [readonly number[], Rule])[] = [
  [[130429], { code: 'rate_limited', waitMs: 4 * second }],
  // Too much between this number and this one customer: nobody else has to wait.
  [[131056], { code: 'rate_limited', waitMs: 6 * second, scope: 'thread' }],
  [[4, 80007], { code: 'rate_limited', waitMs: minute }],
  [[133016], { code: 'rate_limited', waitMs: 60 * minute }],
  [
    [131048, 131064],
    {
      code: 'rate_limited',
      waitMs: 15 * minute,
      userAction: 'WhatsApp slows this number down for its quality: see WhatsApp Manager.',
    },
  ],
  // One customer's own limit: waiting would hold up everybody else's answers.
  [
    [131049],
    { code: 'permanent', userMessage: 'WhatsApp limits how much marketing this customer gets. Try again tomorrow.' },
  ],
  [[1, 2, 131000, 131016, 131057, 133004], { code: 'retryable' }],
  [
    [131047],
    { code: 'window_closed', userMessage: 'More than 24 hours since the customer wrote: only a template can be sent.' },
  ],
  [[131050], { code: 'recipient', userMessage: 'The customer opted out of marketing messages.' }],
  [
    [131026, 131021, 131030, 131062, 130472, 130497],
    { code: 'recipient', userMessage: 'WhatsApp cannot deliver to this customer.' },
  ],
  [[131051, 131052, 131053], { code: 'unsupported', userMessage: 'WhatsApp refused this kind of content.' }],
  [[100, 131008, 131009], { code: 'permanent', userMessage: 'WhatsApp refused the message as malformed.' }],
  [
    [132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069],
    { code: 'permanent', userMessage: 'WhatsApp refused the template: check its name, language and parameters.' },
  ],
  [
    [0, 3, 10, 190, 131005, 131045, 133010],
    { code: 'auth', userAction: 'Check the access token and its permissions.' },
  ],
  [[368, 131031, 131063], { code: 'auth', userAction: 'The account is restricted: see WhatsApp Manager.' }],
  [[131042], { code: 'auth', userAction: 'Payment failed: check the payment method in WhatsApp Manager.' }],
  [[131037], { code: 'auth', userAction: 'The display name is not approved: see WhatsApp Manager.' }],
]
const byCode = new Map(rules.flatMap(([codes, rule]) => codes.map((code) => [code, rule] as const)))

export function ruleOf(code: number): Rule | undefined {
  return byCode.get(code) ?? (code >= 200 && code <= 299 ? byCode.get(10) : undefined)
}

/**
 * The failure in an answer of the Graph API, or undefined. The network's own code decides, the HTTP status only where the
 * code says nothing. Never carries Meta's text: it can contain the customer's number.
 */
export function graphError(
  response: HttpResponse,
  now: number,
): { readonly error: PluginError; readonly rule?: Rule } | undefined {
  const byStatus = errorOfStatus(response, now)
  if (byStatus === undefined) return undefined
  const body = errorBody(response)
  const network = numberOf(body['code'])
  const rule = network === undefined ? undefined : ruleOf(network)
  const details = {
    status: response.status,
    ...(network === undefined ? {} : { networkCode: network }),
    ...(numberOf(body['error_subcode']) === undefined ? {} : { networkSubcode: numberOf(body['error_subcode']) }),
  }
  if (rule === undefined) return { error: withDetails(byStatus, details) }
  const shown = rule.userMessage === undefined ? {} : { userMessage: rule.userMessage }
  if (rule.code === 'rate_limited') {
    const waitMs = Math.max(byStatus.retryAfterMs ?? 0, rule.waitMs ?? 0)
    return {
      rule,
      error: PluginError.rateLimited(waitMs, { details, ...shown, ...(rule.scope && { scope: rule.scope }) }),
    }
  }
  return { rule, error: new PluginError(rule.code, `WhatsApp answered with code ${network}`, { details, ...shown }) }
}

function errorBody(response: HttpResponse): Shape {
  try {
    return objectOf(objectOf(response.json())['error'])
  } catch {
    return {}
  }
}

function withDetails(error: PluginError, details: Readonly<Record<string, unknown>>): PluginError {
  const wait = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }
  return new PluginError(error.code, error.message, { details, ...wait })
}

import type { Reply } from '@throughline/plugin-sdk'

/** Every refusal a visitor's client can meet. The code is the contract; the sentence is for the developer who reads it. */
const problems = {
  body_invalid: [400, 'The body is not what this call expects'],
  text_empty: [400, 'A message needs text, an action or a part'],
  text_too_long: [413, 'The text is longer than a message may be'],
  token_missing: [401, 'Call POST session first and send its token as "Authorization: Bearer …"'],
  token_invalid: [401, 'The visitor token is not one of this channel; call POST session'],
  token_expired: [401, 'The visitor token has expired; call POST session'],
  site_token_invalid: [401, 'The site token does not verify: check secret, algorithm (HS256), aud, sub and exp'],
  site_token_expired: [401, 'The site token has expired; let your site sign a new one'],
  site_token_unsupported: [400, 'This channel has no siteSecret, so it cannot check site tokens'],
  site_token_required: [401, 'This channel only talks to visitors whose site signed a token'],
  too_many_streams: [429, 'This conversation is already open in too many windows'],
} as const satisfies Record<string, readonly [number, string]>

export type ProblemCode = keyof typeof problems

/** Thrown inside an endpoint and turned into an answer at its edge; never leaves the plugin. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  constructor(code: ProblemCode, detail?: string) {
    super(detail ?? problems[code][1])
    this.code = code
  }
}

/** RFC 9457 answer for a refusal. */
export function problemReply(problem: Problem): Reply {
  const [status, title] = problems[problem.code]
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
    body: { type: 'about:blank', status, code: problem.code, title, detail: problem.message },
  }
}

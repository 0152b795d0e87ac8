import { equalBytes, hmac } from '@throughline/plugin-sdk'
import type { RawRequest, Reply, Webhook } from '@throughline/plugin-sdk'
import type { Config } from './config.js'
import { parse } from './parse.js'

export function webhookOf(config: Config): Webhook {
  const { appSecret, previousAppSecret } = config
  return {
    verify: hmac({
      header: 'x-hub-signature-256',
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: 'sha256=',
      secret: previousAppSecret === undefined ? appSecret : [appSecret, previousAppSecret],
    }),
    challenge: (request) => challenge(request, config.verifyToken),
    parse: (request) => parse(request, config.phoneNumberId),
  }
}

/** Meta's handshake: it shows our token and wants its challenge back as plain text. */
function challenge({ method, query }: RawRequest, verifyToken: string): Reply | undefined {
  if (method !== 'GET' || query['hub.mode'] !== 'subscribe') return undefined
  const shown = query['hub.verify_token'] ?? ''
  const value = query['hub.challenge'] ?? ''
  if (!equalBytes(Buffer.from(shown), Buffer.from(verifyToken)) || !/^[\w.-]{1,200}$/.test(value)) return undefined
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: value }
}

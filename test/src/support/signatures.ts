import { createHash, createHmac } from 'node:crypto'

export type Headers = Readonly<Record<string, string>>

/** Headers of a webhook as Meta signs it. */
export function signMeta(body: Uint8Array | string, appSecret: string): Headers {
  return { 'x-hub-signature-256': `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}` }
}

/** Headers of a webhook after Standard Webhooks, as the systems behind channel-http sign it. */
export function signStandard(body: Uint8Array | string, secret: string, at: number = Date.now()): Headers {
  const id = `msg_${createHash('sha256').update(body).digest('hex').slice(0, 24)}`
  const stamp = String(Math.floor(at / 1000))
  const mac = createHmac('sha256', secret).update(`${id}.${stamp}.`).update(body).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': stamp, 'webhook-signature': `v1,${mac}` }
}

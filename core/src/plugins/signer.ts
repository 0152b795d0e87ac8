import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Signer } from '@throughline/plugin-sdk'

/**
 * HMAC-SHA-256 under a key derived (HKDF) from the installation's root key for one purpose: instances and files cannot
 * forge each other's signatures, and every node has the same keys without any being stored.
 */
export function createSigner(rootKey: Uint8Array, purpose: string): Signer {
  const key = Buffer.from(hkdfSync('sha256', rootKey, 'throughline', purpose, 32))
  const mac = (data: string): Buffer => createHmac('sha256', key).update(data).digest()
  return Object.freeze({
    sign: (data) => mac(data).toString('base64url'),
    verify(data, signature) {
      if (typeof signature !== 'string' || !/^[\w-]{43}$/.test(signature)) return false
      return timingSafeEqual(Buffer.from(signature, 'base64url'), mac(data))
    },
  } satisfies Signer)
}

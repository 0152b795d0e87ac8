import { PluginError, type Http, type InboundEvent } from '@throughline/plugin-sdk'
import type { Config, InstanceConfig } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import { limited, offlinePlugin } from './offline-instance.js'

export interface Simulation {
  readonly scheme: string
  /** What the signature check says; without `--sign` a network that signs is expected to answer `missing`. */
  readonly verification: 'ok' | 'missing' | 'invalid'
  readonly events: readonly InboundEvent[]
  /** Why the body would be parked. */
  readonly error: string | null
}

/** Runs verify and parse of a channel over a payload. Nothing is stored, nothing is called. */
export async function simulate(input: {
  readonly instance: InstanceConfig
  readonly config: Config
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly body: Uint8Array
  readonly sign: boolean
  readonly headers: Readonly<Record<string, string>>
  readonly now: number
}): Promise<Simulation> {
  const { instance, config, env, cwd, now } = input
  const ready = await offlinePlugin(instance, config, { env, cwd })
  const made = await ready.setup({ http: closedHttp, now })
  try {
    const { webhook } = made.live
    if (webhook === undefined) {
      const message = `channel "${instance.id}" has no webhook: it fetches its messages itself`
      throw new ThroughlineError('TL_CHANNEL_UNSUPPORTED', message)
    }
    const url = `${made.context.publicUrl}/webhook`
    const { verify } = webhook
    if (input.sign && verify.sign === undefined) {
      const message = `the scheme "${verify.scheme}" of "${instance.id}" cannot be signed here: give the header with --header`
      throw new ThroughlineError('TL_CHANNEL_UNSUPPORTED', message)
    }
    const signature = input.sign ? verify.sign?.({ body: input.body, url, at: now }) : {}
    const { rawRequest } = await import('@throughline/plugin-sdk/testing')
    const headers = { 'content-type': 'application/json', ...signature, ...input.headers }
    const request = rawRequest({ url, headers, body: input.body, receivedAt: now })
    const verification = await limited(10_000, 'verify', Promise.resolve(verify.verify(request)))
    try {
      return { scheme: verify.scheme, verification, events: webhook.parse(request), error: null }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { scheme: verify.scheme, verification, events: [], error: reason }
    }
  } finally {
    await made.close()
  }
}

const refuse = (): Promise<never> => Promise.reject(new PluginError('permanent', 'nothing is called in a simulation'))
const closedHttp: Http = Object.freeze({ get: refuse, post: refuse, put: refuse, delete: refuse })

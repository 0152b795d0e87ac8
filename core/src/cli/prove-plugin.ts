import { systemClock } from '../clock.js'
import type { Config, InstanceConfig } from '../config/contract.js'
import { isThroughlineError } from '../errors.js'
import { createEgress } from '../plugins/egress.js'
import { createHttp } from '../plugins/http-client.js'
import { limited, offlinePlugin } from './offline-instance.js'

export interface Proof {
  /** null: the plugin has nothing to prove. */
  readonly ok: boolean | null
  readonly detail: string
}

const checkMs = 30_000

/** Sets one instance up, lets it prove its credentials, and lets it go. May call the provider. */
export async function provePlugin(
  instance: InstanceConfig,
  config: Config,
  { env, cwd }: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<Proof> {
  const egress = createEgress({ allow: config.server.egressAllow ?? [] })
  const stop = new AbortController()
  const http = createHttp({ egress, clock: systemClock, signal: stop.signal })
  try {
    const ready = await offlinePlugin(instance, config, { env, cwd })
    const { check } = ready.plugin
    if (check === undefined) return { ok: null, detail: 'settings are fine; the plugin has no check of its own' }
    const made = await ready.setup({ http, now: systemClock.now() })
    try {
      const result = await limited(checkMs, 'check', check.call(ready.plugin, made.context))
      const detail = [result.detail, result.account].filter((text) => text !== undefined && text !== '').join(' · ')
      return { ok: result.ok, detail }
    } finally {
      await made.close()
    }
  } catch (error) {
    const message = error instanceof Error ? error.message.replaceAll(/\s*\n\s*/g, ' ') : String(error)
    return { ok: false, detail: isThroughlineError(error) ? `${message} (${error.code})` : message }
  } finally {
    stop.abort()
    egress.close()
  }
}

import { isPluginError, type PluginErrorCode } from '@throughline/plugin-sdk'
import { redact } from '../config/redact.js'
import { catalogue, type ErrorCode } from '../errors-catalogue.js'
import { isThroughlineError } from '../errors.js'
import type { InstanceState } from './contract.js'

/** What is wrong with an instance, in words an operator can act on. */
export interface Trouble {
  readonly state: InstanceState
  readonly code: string
  readonly message: string
  readonly userAction: string
}

const actions: Readonly<Record<PluginErrorCode, string>> = {
  auth: 'Renew the credentials of this instance in the configuration; it goes on by itself when they are accepted.',
  config: 'Correct the settings of this instance in the configuration and restart the engine.',
  retryable: 'Nothing yet: it is tried again. If it lasts, check the network and the status page of the provider.',
  uncertain: 'Nothing yet: it is tried again. If it lasts, check the network and the status page of the provider.',
  rate_limited: 'Nothing: it goes on when the provider allows it.',
  recipient: 'Report it to the author of the plugin, with the log of this node.',
  window_closed: 'Report it to the author of the plugin, with the log of this node.',
  unsupported: 'Report it to the author of the plugin, with the log of this node.',
  permanent: 'Read the message; check the settings of this instance against the documentation of the plugin.',
  bug: 'Report it to the author of the plugin, with the log of this node.',
}

/** Turns whatever was thrown into a trouble. Secrets are covered: messages of networks like to quote tokens. */
export function troubleOf(error: unknown, secrets: ReadonlySet<string>): Trouble {
  if (isPluginError(error)) {
    const state = error.code === 'auth' ? 'bad_credentials' : error.code === 'config' ? 'invalid_config' : 'failed'
    return {
      state,
      code: error.code,
      message: oneLine(error.message, secrets),
      userAction: actions[error.code] ?? actions.bug,
    }
  }
  if (isThroughlineError(error)) {
    const state = error.code === 'TL_PLUGIN_INCOMPATIBLE' ? 'incompatible' : 'failed'
    return { state, code: error.code, message: oneLine(error.message, secrets), userAction: fixOf(error.code) }
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : `the plugin threw a ${typeof error}`
  return { state: 'failed', code: 'bug', message: oneLine(message, secrets), userAction: actions.bug }
}

export function fixOf(code: ErrorCode): string {
  return catalogue[code].fix
}

export function codeIsKnown(code: string): code is PluginErrorCode {
  return code in actions
}

export function actionOf(code: PluginErrorCode): string {
  return actions[code]
}

function oneLine(message: unknown, secrets: ReadonlySet<string>): string {
  return redact(String(message), secrets).replaceAll(/\s+/g, ' ').slice(0, 500)
}

/** Signature scheme of a channel's webhook; `unverified: <why>` where it cannot sign. */
export function signatureOf(live: unknown): string | null {
  const verify = (live as { webhook?: { verify?: { scheme?: string; unverifiedBecause?: string } } } | null)?.webhook
    ?.verify
  if (verify === undefined) return null
  return verify.unverifiedBecause === undefined ? (verify.scheme ?? null) : `unverified: ${verify.unverifiedBecause}`
}

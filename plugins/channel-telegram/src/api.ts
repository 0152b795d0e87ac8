import { objectOf, PluginError } from '@throughline/plugin-sdk'
import type { HttpOptions, HttpResponse, Shape } from '@throughline/plugin-sdk'
import type { TelegramContext } from './config.js'
import { telegramError } from './errors.js'
import type { Failure } from './errors.js'

export type Answer = { readonly result: unknown; readonly response: HttpResponse }
export type Outcome = { readonly answer: Answer } | { readonly failure: Failure }

/**
 * Calls of the Bot API. The token is part of every address, so addresses never go into messages, logs or errors.
 */
export type Api = {
  call(method: string, options: HttpOptions): Promise<Answer>
  /** The same without throwing what Telegram refused; the network's own failures still throw. */
  attempt(method: string, options: HttpOptions): Promise<Outcome>
}

export function createApi({ config, http, clock }: TelegramContext): Api {
  async function attempt(method: string, options: HttpOptions): Promise<Outcome> {
    const response = await http.post(`${config.apiBase}/bot${config.botToken}/${method}`, {
      ...options,
      allowStatus: true,
    })
    const failure = telegramError(response, clock.now())
    return failure === undefined ? { answer: { result: resultOf(response), response } } : { failure }
  }
  return {
    attempt,
    async call(method, options) {
      const outcome = await attempt(method, options)
      if ('failure' in outcome) throw outcome.failure.error
      return outcome.answer
    },
  }
}

/** An answer that cannot be read says nothing about whether the request was carried out. */
function resultOf(response: HttpResponse): unknown {
  try {
    return objectOf(response.json())['result']
  } catch (cause) {
    throw new PluginError('uncertain', 'Telegram accepted the request but its answer cannot be read', { cause })
  }
}

export const resultObject = ({ result }: Answer): Shape => objectOf(result)

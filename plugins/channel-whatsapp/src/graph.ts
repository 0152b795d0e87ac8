import { PluginError } from '@throughline/plugin-sdk'
import type { HttpOptions, HttpResponse } from '@throughline/plugin-sdk'
import type { WhatsAppContext } from './config.js'
import { graphError } from './errors.js'

/** Calls of the Graph API with the instance's token; failures as PluginError, account trouble also as health. */
export type Graph = {
  get(path: string, options?: HttpOptions): Promise<HttpResponse>
  post(path: string, options?: HttpOptions): Promise<HttpResponse>
}

export function createGraph(context: WhatsAppContext): Graph {
  const { config, http, clock } = context
  const checked = (response: HttpResponse): HttpResponse => {
    const failure = graphError(response, clock.now())
    if (failure === undefined) return response
    const { error, rule } = failure
    if (rule?.userAction !== undefined)
      context.setHealth({
        status: error.code === 'auth' ? 'down' : 'degraded',
        code: `whatsapp_${String(error.details?.['networkCode'])}`,
        userAction: rule.userAction,
      })
    throw error
  }
  const options = (given: HttpOptions = {}) => ({ ...given, bearer: config.accessToken, allowStatus: true })
  return {
    get: async (path, given) => checked(await http.get(`${config.apiBase}/${path}`, options(given))),
    post: async (path, given) => checked(await http.post(`${config.apiBase}/${path}`, options(given))),
  }
}

/** The answer's JSON; a 2xx that cannot be read may well have been carried out. */
export function jsonOf(response: HttpResponse): unknown {
  try {
    return response.json()
  } catch (cause) {
    throw new PluginError('uncertain', 'WhatsApp accepted the request but its answer cannot be read', { cause })
  }
}

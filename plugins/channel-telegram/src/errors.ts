import { errorOfStatus, numberOf, objectOf, PluginError, textOf } from '@throughline/plugin-sdk'
import type { HttpResponse, PluginErrorCode, Shape } from '@throughline/plugin-sdk'

/** What Telegram said beside the failure. */
export type Failure = { readonly error: PluginError; readonly description: string; readonly movedTo?: string }

type Refusal = { readonly pattern: RegExp; readonly code: PluginErrorCode; readonly userMessage: string }

const recipient =
  /chat not found|user not found|peer_id_invalid|bot was (kicked|blocked)|user is deactivated|not enough rights|have no rights|chat_write_forbidden|topic_closed|topic_deleted|message thread not found|can't initiate/i
const content =
  /wrong file identifier|failed to get http url|wrong type of the web page|photo_|image_process|voice_messages_forbidden|button_|reaction_invalid|file is too big|webpage_|can't parse|wrong remote file|document_invalid|media_empty/i

const refusals: readonly Refusal[] = [
  { pattern: recipient, code: 'recipient', userMessage: 'Telegram cannot deliver to this customer.' },
  { pattern: content, code: 'unsupported', userMessage: 'Telegram refused this kind of content.' },
]

/** The failure in an answer of the Bot API, or undefined. Its description decides for 400, because Telegram has no codes. */
export function telegramError(response: HttpResponse, now: number): Failure | undefined {
  const body = bodyOf(response)
  const status = response.status < 300 && body['ok'] === false ? (numberOf(body['error_code']) ?? 500) : response.status
  const byStatus = errorOfStatus({ status, headers: response.headers }, now, { 404: 'auth' })
  if (byStatus === undefined) return undefined
  const description = textOf(body['description']) ?? ''
  const parameters = objectOf(body['parameters'])
  const moved = numberOf(parameters['migrate_to_chat_id'])
  const error = refine(byStatus, status, description, numberOf(parameters['retry_after']))
  return { error, description, ...(moved === undefined ? {} : { movedTo: String(moved) }) }
}

function refine(
  byStatus: PluginError,
  status: number,
  description: string,
  retryAfter: number | undefined,
): PluginError {
  const details = { status }
  if (status === 429 && retryAfter !== undefined)
    return PluginError.rateLimited(Math.ceil(retryAfter * 1000), { details })
  if (status === 403)
    return new PluginError('recipient', 'the customer does not take messages from the bot', {
      details,
      userMessage: 'The customer blocked the bot or left.',
    })
  if (status === 409) return new PluginError('config', 'another program reads the updates of this bot', { details })
  const refusal = status === 400 ? refusals.find(({ pattern }) => pattern.test(description)) : undefined
  if (refusal === undefined) return byStatus
  return new PluginError(refusal.code, 'Telegram refused the request', { details, userMessage: refusal.userMessage })
}

function bodyOf(response: HttpResponse): Shape {
  try {
    return objectOf(response.json())
  } catch {
    return {}
  }
}

import { idOf, isPluginError, listOf, objectOf, numberOf, PluginError } from '@throughline/plugin-sdk'
import type { InboundEvent } from '@throughline/plugin-sdk'
import { resultObject } from './api.js'
import type { Api } from './api.js'
import { allowedUpdates } from './config.js'
import type { TelegramContext } from './config.js'
import { eventsOfUpdate } from './parse.js'

const waitS = 50
/** Telegram may start numbering anew after a week without updates: an old cursor would then skip them. */
const cursorTtlMs = 6 * 86_400_000

/**
 * Asks for updates until it is aborted. Invariant: the cursor moves only after the inbox has committed the events, so a
 * crash between the two costs a redelivery, which the inbox recognises by the events' ids.
 */
export async function poll(context: TelegramContext, api: Api, signal: AbortSignal, ready: () => void): Promise<void> {
  const { state, inbox } = context
  let offset = await state.get<number>('offset')
  // The first question does not wait: it proves that the bot can be polled at all.
  let timeout = 0
  while (!signal.aborted) {
    const answer = await ask(context, api, { offset, timeout }, signal)
    if (answer === undefined) return
    const updates = listOf(answer.result).map(objectOf)
    if (timeout === 0) ready()
    timeout = waitS
    if (updates.length === 0) continue
    const events = updates.flatMap((update) => eventsOfUpdate(update, context.clock.now()))
    await inbox.accept(events, { body: answer.response.body })
    const last = updates.map((update) => numberOf(update['update_id'])).findLast((id) => id !== undefined)
    if (last !== undefined) await state.set('offset', (offset = last + 1), { ttlMs: cursorTtlMs })
    await answerButtons(context, api, events, signal)
  }
}

async function ask(
  context: TelegramContext,
  api: Api,
  question: { readonly offset: number | null; readonly timeout: number },
  signal: AbortSignal,
) {
  const { offset, timeout } = question
  try {
    const json = { timeout, limit: 100, allowed_updates: allowedUpdates, ...(offset === null ? {} : { offset }) }
    return await api.call('getUpdates', { json, signal, timeoutMs: (timeout + 15) * 1000 })
  } catch (error) {
    if (signal.aborted) return undefined
    if (!isPluginError(error)) throw error
    if (error.code === 'config') {
      const userAction =
        'Stop the other program that polls this bot, or remove its webhook (deleteWebhook), or set mode: webhook.'
      context.setHealth({ status: 'down', code: 'telegram_conflict', userAction })
      throw new PluginError('config', `${error.message}. ${userAction}`, { cause: error, details: { userAction } })
    }
    // Asking changes nothing: no answer is no reason for doubt.
    if (error.code === 'uncertain') throw new PluginError('retryable', 'Telegram gave no updates', { cause: error })
    throw error
  }
}

/** Ends the little clock on pressed buttons. Comes too late or twice without harm, so failures are only counted. */
async function answerButtons(
  context: TelegramContext,
  api: Api,
  events: readonly InboundEvent[],
  signal: AbortSignal,
): Promise<void> {
  for (const id of pressedButtons(events)) {
    try {
      await api.call('answerCallbackQuery', { json: { callback_query_id: id }, signal, timeoutMs: 5000 })
    } catch (error) {
      context.metrics.count('button_answers_failed')
      if (signal.aborted || !isPluginError(error)) return
    }
  }
}

export const pressedButtons = (events: readonly InboundEvent[]): readonly string[] =>
  events
    .filter((event) => event.type === 'action' && event.id.startsWith('callback:'))
    .map((event) => event.id.slice(9))

/** The bot's own account, as a proof that the token works. */
export async function botName(api: Api, signal: AbortSignal): Promise<string> {
  const me = resultObject(await api.call('getMe', { json: {}, signal }))
  return `@${idOf(me['username']) ?? idOf(me['id']) ?? 'unknown'}`
}

import { idOf, isPluginError, objectOf, PluginError, textOf, token } from '@throughline/plugin-sdk'
import type {
  Channel,
  CheckResult,
  Media,
  MediaHandle,
  OutboundPart,
  SendControl,
  Sent,
  Webhook,
} from '@throughline/plugin-sdk'
import { addressOf, messageKey, messageNumber } from './address.js'
import type { Address } from './address.js'
import { createApi, resultObject } from './api.js'
import type { Api } from './api.js'
import { allowedUpdates } from './config.js'
import type { TelegramContext } from './config.js'
import { parse } from './parse.js'
import { bodyOf, callOf, markdown } from './payload.js'
import type { Call } from './payload.js'
import { botName, poll, pressedButtons } from './polling.js'

const downloadLimit = 20 * 1024 * 1024

export function createChannel(context: TelegramContext): Channel {
  const { config, files } = context
  const api = createApi(context)
  const deliver = createDelivery(context, api)
  const at = (externalId: string, thread: string) => {
    const { chat, business } = addressOf(thread)
    return {
      chat_id: chat,
      message_id: messageNumber(externalId),
      ...(business ? { business_connection_id: business } : {}),
    }
  }

  return {
    ...(config.mode === 'webhook' ? { webhook: webhookOf(context) } : {}),
    ...(config.mode === 'polling'
      ? { connect: (signal: AbortSignal, ready: () => void) => poll(context, api, signal, ready) }
      : {}),
    start: async () => {
      if (config.mode !== 'webhook' || !config.registerWebhook) return
      const json = {
        url: `${context.publicUrl}/webhook`,
        secret_token: config.secretToken,
        allowed_updates: allowedUpdates,
      }
      await api.call('setWebhook', { json, signal: context.signal })
    },
    send: async (part, control) => deliver(part, await callOf(part, files), control),
    edit: async (ref, part, { signal }) => {
      const { fields, plain } =
        part.content.type === 'text' && part.content.format === 'markdown'
          ? markdown(part.content.text, part.text)
          : { fields: { text: part.text }, plain: undefined }
      const edit = (changed: object) =>
        api.attempt('editMessageText', { json: { ...at(ref.externalId, ref.thread.id), ...changed }, signal })
      let outcome = await edit(fields)
      if ('failure' in outcome && plain !== undefined && isMarkupError(outcome.failure.description))
        outcome = await edit(plain)
      // Editing to the same text is done already.
      if ('failure' in outcome && !/not modified/i.test(outcome.failure.description)) throw outcome.failure.error
    },
    remove: async (ref, { signal }) => {
      const outcome = await api.attempt('deleteMessage', { json: at(ref.externalId, ref.thread.id), signal })
      if ('failure' in outcome && !/message to delete not found/i.test(outcome.failure.description))
        throw outcome.failure.error
    },
    react: async (ref, emoji, { signal }) => {
      const reaction = emoji === null ? [] : [{ type: 'emoji', emoji }]
      const { chat_id, message_id } = at(ref.externalId, ref.thread.id)
      await api.call('setMessageReaction', { json: { chat_id, message_id, reaction }, signal })
    },
    typing: async (thread, on, { signal }) => {
      // The sign ends by itself after 5 s or with the answer.
      if (on) await api.call('sendChatAction', { json: { ...target(addressOf(thread.id)), action: 'typing' }, signal })
    },
    fetchMedia: (handle, control) => fetchMedia(context, api, handle, control),
  }
}

function webhookOf({ config }: TelegramContext): Webhook {
  const { secretToken } = config
  if (secretToken === undefined)
    throw new PluginError('config', 'mode webhook needs secretToken: set it, or use mode: polling', {
      details: { path: '/secretToken' },
    })
  return {
    verify: token({ header: 'x-telegram-bot-api-secret-token', secret: secretToken }),
    parse,
    // The answer to the webhook is itself a call: it ends the little clock on a pressed button.
    reply: (events) => {
      const [id] = pressedButtons(events)
      return id === undefined
        ? { status: 200 }
        : { status: 200, body: { method: 'answerCallbackQuery', callback_query_id: id } }
    },
  }
}

const isMarkupError = (description: string): boolean => /can't parse entities/i.test(description)

const target = ({ chat, topic, business }: Address) => ({
  chat_id: chat,
  ...(topic === undefined ? {} : { message_thread_id: Number(topic) }),
  ...(business === undefined ? {} : { business_connection_id: business }),
})

/** Sends one call; again as plain text when Telegram cannot read the markup, again to the new id when a group moved. */
function createDelivery(context: TelegramContext, api: Api) {
  /** Groups that became supergroups. Forgotten with the process: Telegram tells it again on the next try. */
  const moved = new Map<string, string>()

  return async function deliver(part: OutboundPart, call: Call, { signal }: SendControl): Promise<Sent> {
    const address = addressOf(part.thread.id)
    const reply = part.replyTo === undefined ? undefined : messageNumber(part.replyTo)
    const quoted =
      reply === undefined ? {} : { reply_parameters: { message_id: reply, allow_sending_without_reply: true } }
    let chat = moved.get(address.chat) ?? address.chat
    let fields = call.fields
    for (let round = 0; round < 3; round += 1) {
      const body = bodyOf(call, { ...target({ ...address, chat }), ...fields, ...quoted })
      const outcome = await api.attempt(call.method, {
        ...body,
        signal,
        timeoutMs: call.file === undefined ? 15_000 : 60_000,
      })
      if ('answer' in outcome) return { externalId: sentId(resultObject(outcome.answer), chat) }
      const { failure } = outcome
      if (failure.movedTo !== undefined && failure.movedTo !== chat) {
        moved.set(address.chat, failure.movedTo)
        await reportMove(context, part.thread.id, failure.movedTo)
        chat = failure.movedTo
      } else if (isMarkupError(failure.description) && call.plain !== undefined && fields !== withoutMarkup(call)) {
        context.metrics.count('markup_refused')
        fields = withoutMarkup(call)
      } else throw failure.error
    }
    throw new PluginError('permanent', 'Telegram refused the message three times')
  }
}

/** The same object each time, so that a second refusal of the plain form is recognised. */
const withoutMarkup = ({ fields, plain }: Call): Readonly<Record<string, unknown>> => plain ?? fields

function sentId(message: Readonly<Record<string, unknown>>, chat: string): string {
  const key = messageKey(message) ?? messageKey({ ...message, chat: { id: chat } })
  if (key === undefined) throw new PluginError('uncertain', 'Telegram accepted the message without giving its id')
  return key
}

/** Kept in the inbox: the group's next messages come with the new id, and somebody may wonder why. */
async function reportMove({ inbox, clock, log }: TelegramContext, thread: string, chat: string): Promise<void> {
  log.info({}, 'a group became a supergroup and has a new id')
  const note = `the group of this thread became a supergroup with the id ${chat}`
  await inbox.accept([
    { type: 'unknown', id: `moved:${thread}:${chat}`.slice(0, 512), at: clock.now(), note, thread: { id: thread } },
  ])
}

/** The download address holds the token: it is used once and neither stored nor logged. */
async function fetchMedia(
  { config, http }: TelegramContext,
  api: Api,
  handle: MediaHandle,
  { signal }: SendControl,
): Promise<Media> {
  const file = resultObject(await api.call('getFile', { json: { file_id: handle.id ?? '' }, signal }))
  const path = textOf(file['file_path'])
  if (path === undefined || path.includes('..'))
    throw new PluginError('permanent', 'Telegram gives no path for this attachment')
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  const url = `${config.apiBase}/file/bot${config.botToken}/${encoded}`
  const { body } = await http.get(url, {
    signal,
    timeoutMs: 60_000,
    maxBytes: downloadLimit,
    errors: { 404: 'permanent' },
  })
  const name = handle.name ?? path.split('/').at(-1)
  return {
    bytes: body,
    ...(handle.mime === undefined ? {} : { mime: handle.mime }),
    ...(name === undefined ? {} : { name }),
  }
}

/** Proves the token, and that Telegram calls this engine when it should. */
export async function check(context: TelegramContext): Promise<CheckResult> {
  const { config, signal, publicUrl } = context
  const api = createApi(context)
  try {
    const account = await botName(api, signal)
    const info = objectOf((await api.call('getWebhookInfo', { json: {}, signal })).result)
    const registered = idOf(info['url'])
    if (config.mode === 'polling')
      return registered === undefined
        ? { ok: true, account }
        : {
            ok: false,
            account,
            detail: 'a webhook is registered for this bot: remove it (deleteWebhook) or set mode: webhook',
          }
    if (registered === `${publicUrl}/webhook` || config.registerWebhook) return { ok: true, account }
    return {
      ok: false,
      account,
      detail: `Telegram does not call ${publicUrl}/webhook: set registerWebhook: true, or call setWebhook`,
    }
  } catch (error) {
    if (!isPluginError(error)) throw error
    return { ok: false, detail: error.code === 'auth' ? 'Telegram does not know this token' : error.code }
  }
}

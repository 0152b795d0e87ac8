import { idOf, isPluginError, listOf, objectOf, PluginError } from '@throughline/plugin-sdk'
import type { Channel, OutboundPart, SendControl, Sent, ThreadRef } from '@throughline/plugin-sdk'
import type { WhatsAppContext } from './config.js'
import { createGraph, jsonOf } from './graph.js'
import { fetchMedia, forgetUpload, referenceOf } from './media.js'
import { isMedia, mediaPayload, payloadOf } from './payload.js'
import { webhookOf } from './webhook.js'

/** A thread id is the address: digits, a business-scoped user id, or a group. */
function recipient({ id }: ThreadRef): Readonly<Record<string, string>> {
  if (id.startsWith('group:')) return { recipient_type: 'group', to: id.slice(6) }
  return { recipient_type: 'individual', [/^\d+$/.test(id) ? 'to' : 'recipient']: id }
}

export function createChannel(context: WhatsAppContext): Channel {
  const { config, state } = context
  const graph = createGraph(context)
  const messages = `${config.phoneNumberId}/messages`
  const call = async (body: Readonly<Record<string, unknown>>, { signal }: SendControl) =>
    objectOf(jsonOf(await graph.post(messages, { json: { messaging_product: 'whatsapp', ...body }, signal })))

  async function send(part: OutboundPart, control: SendControl): Promise<Sent> {
    const payload = isMedia(part.content)
      ? mediaPayload(part.content, await referenceOf(context, graph, part.content.media, control))
      : payloadOf(part, config)
    const answer = await call(
      {
        ...recipient(part.thread),
        ...payload,
        ...(part.replyTo === undefined ? {} : { context: { message_id: part.replyTo } }),
        // Comes back with every status of the message.
        biz_opaque_callback_data: part.id.slice(0, 512),
      },
      control,
    ).catch(async (error: unknown) => {
      const refused = isPluginError(error) && (error.code === 'permanent' || error.code === 'unsupported')
      if (refused && isMedia(part.content)) await forgetUpload(context, part.content.media)
      throw error
    })
    const externalId = idOf(objectOf(listOf(answer['messages'])[0])['id'])
    if (externalId === undefined)
      throw new PluginError('uncertain', 'WhatsApp accepted the message without giving its id')
    return { externalId }
  }

  return {
    webhook: webhookOf(config),
    send,
    react: async (ref, emoji, control) => {
      const reaction = { message_id: ref.externalId, emoji: emoji ?? '' }
      await call({ ...recipient(ref.thread), type: 'reaction', reaction }, control)
    },
    markRead: async (thread, upTo, control) => {
      // The typing sign needs the id of the customer's message: remember it for as long as the window is open.
      await state.set(`last:${thread.id}`, upTo.externalId, { ttlMs: 86_400_000 })
      await call({ status: 'read', message_id: upTo.externalId }, control)
    },
    typing: async (thread, on, control) => {
      // WhatsApp ends the sign by itself after 25 s or with the answer, and shows it only on a message it marks as read.
      const last = on ? await state.get<string>(`last:${thread.id}`) : null
      if (last !== null) await call({ status: 'read', message_id: last, typing_indicator: { type: 'text' } }, control)
    },
    fetchMedia: (handle, control) => fetchMedia(context, graph, handle, control),
    open: async (to) => {
      const value = (kind: string) => to.identifiers?.find((identifier) => identifier.kind === kind)?.value
      const id = value('phone')?.replace(/\D/g, '') || value('whatsapp-user') || ''
      if (id === '') throw new PluginError('recipient', 'neither a phone number nor a WhatsApp id is known')
      return { id }
    },
  }
}

/** Reads the phone number's own record: proves token, permission and number at once. */
export async function check(context: WhatsAppContext): Promise<{ ok: boolean; detail: string; account?: string }> {
  const { config } = context
  try {
    const fields = 'display_phone_number,verified_name,quality_rating'
    const answer = await createGraph(context).get(config.phoneNumberId, { query: { fields }, signal: context.signal })
    const found = objectOf(jsonOf(answer))
    const number = idOf(found['display_phone_number'])
    const name = idOf(found['verified_name'])
    const detail = `quality ${idOf(found['quality_rating']) ?? 'unknown'}`
    const account = [number, name].filter(Boolean).join(' ')
    return account === '' ? { ok: true, detail } : { ok: true, detail, account }
  } catch (error) {
    if (!isPluginError(error)) throw error
    const networkCode = idOf(error.details?.['networkCode'])
    return {
      ok: false,
      detail: `${error.code}${networkCode === undefined ? '' : `, WhatsApp code ${networkCode}`}`,
    }
  }
}

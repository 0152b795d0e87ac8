import { idOf, isPluginError, objectOf, PluginError, textOf } from '@throughline/plugin-sdk'
import type { Media, MediaHandle, SendControl } from '@throughline/plugin-sdk'
import type { WhatsAppContext } from './config.js'
import { jsonOf } from './graph.js'
import type { Graph } from './graph.js'
import type { MediaReference } from './payload.js'

const maxBytes = 100 * 1024 * 1024
/** Uploaded media live 30 days; a day less, so that none expires on the way. */
const uploadTtlMs = 29 * 86_400_000

/** Hosts of Meta that may be shown the access token, besides the API's own. */
const metaHosts = /(^|\.)(fbsbx\.com|facebook\.com|fbcdn\.net|whatsapp\.net|whatsapp\.com)$/

/**
 * Two requests: the first turns the id into a link that lives a few minutes, the second fetches it with the same token
 * and needs a User-Agent. A link to a foreign host is fetched without the token.
 */
export async function fetchMedia(
  context: WhatsAppContext,
  graph: Graph,
  handle: MediaHandle,
  { signal }: SendControl,
): Promise<Media> {
  const { config, http } = context
  let { url, mime } = handle
  if (handle.id !== undefined) {
    const answer = await graph.get(encodeURIComponent(handle.id), {
      query: { phone_number_id: config.phoneNumberId },
      signal,
    })
    const found = objectOf(jsonOf(answer))
    url = textOf(found['url'])
    mime = textOf(found['mime_type']) ?? mime
  }
  if (url === undefined) throw new PluginError('permanent', 'WhatsApp gives no link for this attachment')
  const { protocol, hostname } = new URL(url)
  const trusted = hostname === new URL(config.apiBase).hostname || (protocol === 'https:' && metaHosts.test(hostname))
  const response = await http.get(url, {
    ...(trusted ? { bearer: config.accessToken } : {}),
    headers: { 'user-agent': 'throughline/0.1' },
    timeoutMs: 60_000,
    maxBytes,
    signal,
    errors: { 404: 'permanent' },
  })
  return {
    bytes: response.body,
    ...(mime === undefined ? {} : { mime }),
    ...(handle.name === undefined ? {} : { name: handle.name }),
  }
}

/**
 * A medium as Meta takes it. Files of ours are uploaded once: the id is kept by the file's key, so a retry or the same
 * file to another customer uploads nothing.
 */
export async function referenceOf(
  context: WhatsAppContext,
  graph: Graph,
  handle: MediaHandle,
  { signal }: SendControl,
): Promise<MediaReference> {
  const { config, files, state } = context
  if (handle.file === undefined) {
    if (handle.url !== undefined) return { link: handle.url }
    throw new PluginError('unsupported', 'the attachment has neither a file nor a link')
  }
  const key = uploadKey(handle.file)
  const known = await state.get<string>(key)
  if (known !== null) return { id: known }
  const bytes = await files.get(handle.file)
  if (bytes === null) throw new PluginError('permanent', 'the attachment is no longer stored')
  const form = new FormData()
  form.set('messaging_product', 'whatsapp')
  form.set('type', handle.mime ?? 'application/octet-stream')
  const blob = new Blob([new Uint8Array(bytes)], { type: handle.mime ?? 'application/octet-stream' })
  form.set('file', blob, handle.name ?? 'file')
  const path = `${config.phoneNumberId}/media`
  const answer = await upload(() => graph.post(path, { multipart: form, timeoutMs: 60_000, signal }))
  const id = idOf(objectOf(jsonOf(answer))['id'])
  if (id === undefined) throw new PluginError('retryable', 'WhatsApp gave the upload no id')
  await state.set(key, id, { ttlMs: uploadTtlMs })
  return { id }
}

const uploadKey = (file: string): string => `media:${file}`

/** After Meta refused a message with an uploaded medium: the next try uploads it anew instead of failing for a month. */
export async function forgetUpload({ state }: WhatsAppContext, handle: MediaHandle): Promise<void> {
  if (handle.file !== undefined) await state.delete(uploadKey(handle.file))
}

/** Nobody sees an upload: one without an answer is simply tried again. */
async function upload<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (isPluginError(error) && error.code === 'uncertain')
      throw new PluginError('retryable', 'the upload got no answer', { cause: error })
    throw error
  }
}

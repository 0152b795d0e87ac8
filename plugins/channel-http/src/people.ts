import { idOf, listOf, objectOf, textOf } from '@throughline/plugin-sdk'
import type { Sender, SenderIdentifier, Thread } from '@throughline/plugin-sdk'
import { given } from './given.js'
import { Refusal } from './refusal.js'

export function threadOf(value: unknown): Thread {
  const thread = objectOf(value)
  const id = idOf(thread['id'])
  if (id === undefined) throw new Refusal('thread.id must be 1 to 512 characters')
  const { kind } = thread
  return given({ id, kind: kind === 'direct' || kind === 'group' ? kind : undefined, title: textOf(thread['title']) })
}

/**
 * Who wrote, as the other system says it. The sender's own id is taken as verified, because the request is signed, unless
 * it says `claimed`. Further identifiers count as claimed unless the system says `verified` for each of them: a forgotten
 * word must never open somebody else's history.
 */
export function senderOf(value: unknown): Sender {
  const sender = objectOf(value)
  const id = idOf(sender['id'])
  if (id === undefined) throw new Refusal('sender.id must be 1 to 512 characters')
  const identifiers = listOf(sender['identifiers']).map((entry, index): SenderIdentifier => {
    const identifier = objectOf(entry)
    const kind = idOf(identifier['kind'])
    const text = idOf(identifier['value'])
    if (kind === undefined || text === undefined) throw new Refusal(`sender.identifiers[${index}] needs kind and value`)
    return { kind, value: text, assurance: identifier['assurance'] === 'verified' ? 'verified' : 'claimed' }
  })
  return given({
    id,
    name: textOf(sender['name']),
    assurance: sender['assurance'] === 'claimed' ? 'claimed' : undefined,
    identifiers: identifiers.length === 0 ? undefined : identifiers,
    profile: sender['profile'] === undefined ? undefined : profileOf(sender['profile']),
  })
}

function profileOf(value: unknown): Sender['profile'] | undefined {
  const profile = objectOf(value)
  const texts = ['language', 'timeZone', 'avatarUrl'].flatMap((key) => {
    const text = textOf(profile[key])
    return text === undefined ? [] : [[key, text] as const]
  })
  const attributes = Object.entries(objectOf(profile['attributes'])).filter(
    (pair): pair is [string, string | number | boolean] => ['string', 'number', 'boolean'].includes(typeof pair[1]),
  )
  if (texts.length + attributes.length === 0) return undefined
  return {
    ...Object.fromEntries(texts),
    ...(attributes.length === 0 ? {} : { attributes: Object.fromEntries(attributes) }),
  }
}

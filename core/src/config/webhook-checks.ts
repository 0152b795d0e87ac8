import { eventTypes } from '../store/event-types.js'
import { didYouMean, suggest } from '../suggest.js'
import { joinPointer } from './pointer.js'
import { entriesOf, listOf, member } from './raw.js'
import type { Report } from './references.js'

const areas = [...new Set(eventTypes.map((type) => `${type.slice(0, type.indexOf('.'))}.*`))]
const filters: readonly string[] = ['*', ...areas, ...eventTypes]
/** Headers that usually carry a credential. */
const credential = /^(.*-)?(authorization|auth|cookie|key|apikey|token|secret|password|signature)$/

/** Filters that nothing would ever match, and addresses that are none. Form is the schema's matter. */
export function checkWebhooks(data: unknown, report: Report): void {
  for (const [id, webhook] of entriesOf(member(data, 'webhooks'))) {
    const at = joinPointer('/webhooks', id)
    listOf(member(webhook, 'events')).forEach((filter, index) => {
      if (typeof filter !== 'string' || !/^[a-z]+\.(\*|[A-Za-z]+)$/.test(filter) || filters.includes(filter)) return
      const near = suggest(filter, filters)
      report(
        'error',
        'TL_CONFIG_REFERENCE_UNKNOWN',
        joinPointer(`${at}/events`, index),
        `there are no events "${filter}"${didYouMean(filter, filters)}`,
        near === null ? `Name an event type, or an area: ${areas.join(', ')}.` : `Write "${near}".`,
      )
    })
    const url = member(webhook, 'url')
    if (typeof url !== 'string' || !/^https?:/.test(url) || URL.canParse(url)) continue
    report('error', 'TL_CONFIG_INVALID', `${at}/url`, 'the value is not an address', 'Write "https://host/path".')
  }
}

/** Text of webhooks that is nobody else's business, by pointer: keys that sign, and credentials in headers. */
export function webhookSecrets(data: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [id, webhook] of entriesOf(member(data, 'webhooks'))) {
    const at = joinPointer('/webhooks', id)
    listOf(member(webhook, 'secrets')).forEach((secret, index) => {
      if (typeof secret === 'string' && secret !== '') found.set(joinPointer(`${at}/secrets`, index), secret)
    })
    for (const [name, value] of entriesOf(member(webhook, 'headers'))) {
      if (typeof value === 'string' && credential.test(name)) found.set(joinPointer(`${at}/headers`, name), value)
    }
  }
  return found
}

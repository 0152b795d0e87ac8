import type { OutboundPart, Part } from '@throughline/plugin-sdk'

/** What `send.part` holds: one planned part and what goes with it on every attempt. */
export interface StoredPart {
  readonly text: string
  readonly content: Part
  readonly author: OutboundPart['author']
  readonly replyTo?: string
  readonly subject?: string
}

/** Text without what PostgreSQL, UTF-8 or a mail header cannot hold: NUL and halves of surrogate pairs. */
export function cleanText(text: string): string {
  return text
    .replaceAll('\0', '')
    .replaceAll(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\ufffd')
}

/** The same for every text inside a part. */
export function cleanPart<T>(value: T): T {
  if (typeof value === 'string') return cleanText(value) as T
  if (Array.isArray(value)) return value.map((item: unknown) => cleanPart(item)) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [cleanText(key), cleanPart(item as unknown)]),
  ) as T
}

/** A subject is one line: a line break in it would be a mail header of its own. */
export function subjectLine(subject: string): string {
  return cleanText(subject)
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 500)
}

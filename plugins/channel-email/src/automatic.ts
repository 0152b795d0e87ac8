import { header, type Mail } from './parse-mail.js'
import { OUT_OF_OFFICE } from './language-markers.js'

const BULK = new Set(['bulk', 'junk', 'list', 'auto_reply', 'auto-reply'])

/**
 * True for mail no person wrote for us: vacation notes, list mail, receipts of machines. It is kept, but starts no clock,
 * and nothing automatic answers it (RFC 3834), which is what breaks mail loops. `envelopeFrom` '' is the null sender.
 */
export function isAutomatic(mail: Pick<Mail, 'headers' | 'subject'>, envelopeFrom: string | null): boolean {
  const submitted = header(mail, 'auto-submitted').split(';')[0]?.trim().toLowerCase() ?? ''
  if (submitted !== '' && submitted !== 'no') return true
  if (envelopeFrom === '' || header(mail, 'return-path').trim() === '<>') return true
  if (BULK.has(header(mail, 'precedence').trim().toLowerCase())) return true
  for (const name of ['list-id', 'x-autoreply', 'x-autorespond', 'x-autoresponder', 'x-ms-exchange-inbox-rules-loop']) {
    const value = header(mail, name).trim().toLowerCase()
    if (value !== '' && value !== 'no') return true
  }
  if (/\b(all|oof|autoreply)\b/i.test(header(mail, 'x-auto-response-suppress').slice(0, 200))) return true
  const subject = mail.subject.toLowerCase()
  return OUT_OF_OFFICE.some((marker) => subject.startsWith(marker))
}

import type { Capabilities, MediaHandle, MediaKind } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'
import type { Fit, PlannedPart } from './fit.js'
import { planLiteral, planText } from './text-part.js'
import { stripMarkdown } from './markdown.js'
import { measure } from './units.js'

type Limits = NonNullable<NonNullable<Capabilities['media']>[MediaKind]>

export const mediaKinds: ReadonlySet<string> = new Set<MediaKind>([
  'image',
  'audio',
  'video',
  'file',
  'voice',
  'sticker',
])

/** What a kind may be sent as where the channel lacks it: anything is a file in the end. */
const standIns: Readonly<Record<MediaKind, readonly MediaKind[]>> = Object.freeze({
  image: ['image', 'file'],
  audio: ['audio', 'file'],
  video: ['video', 'file'],
  file: ['file'],
  voice: ['voice', 'audio', 'file'],
  sticker: ['sticker', 'image', 'file'],
})

/** Native where kind, type and size are taken, else as another kind, else a link. A caption too long follows as text. */
export function planMedia(fit: Fit, kind: MediaKind, media: MediaHandle, caption?: string): PlannedPart[] {
  const refusals: string[] = []
  for (const candidate of standIns[kind]) {
    const limits = fit.capabilities.media?.[candidate]
    const refusal = limits === undefined ? `takes no ${candidate}` : refusalOf(limits, media)
    if (limits === undefined || refusal !== null) {
      refusals.push(refusal ?? '')
      continue
    }
    if (candidate !== kind) fit.lose(`${article(kind)} is sent as ${article(candidate)}`)
    return withCaption(fit, candidate, media, caption, limits.caption)
  }
  return asLink(fit, kind, media, caption, refusals[0] ?? 'refuses it')
}

function refusalOf(limits: Limits, media: MediaHandle): string | null {
  if (media.mime !== undefined && !limits.mime.some((pattern) => mimeMatches(pattern, media.mime ?? ''))) {
    return `takes no ${baseType(media.mime)}`
  }
  if (media.size !== undefined && media.size > limits.maxBytes) {
    return `takes ${megabytes(limits.maxBytes)} at most, this has ${megabytes(media.size)}`
  }
  return media.file === undefined && media.url === undefined ? 'cannot fetch it' : null
}

function withCaption(
  fit: Fit,
  kind: MediaKind,
  media: MediaHandle,
  caption: string | undefined,
  maxCaption: number | undefined,
): PlannedPart[] {
  const name = media.name?.trim() || kind
  if (caption === undefined || caption.trim() === '') return [{ text: name, content: { type: kind, media } }]
  const shown = fit.plain ? stripMarkdown(caption) : caption
  if (measure(shown, fit.unit) <= Math.min(maxCaption ?? 0, fit.maxLength)) {
    return [{ text: shown, content: { type: kind, media, caption: shown } }]
  }
  fit.lose(maxCaption === undefined ? 'the caption follows as a message' : 'the long caption follows as a message')
  return [{ text: name, content: { type: kind, media } }, ...planText(fit, caption)]
}

function asLink(
  fit: Fit,
  kind: MediaKind,
  media: MediaHandle,
  caption: string | undefined,
  why: string,
): PlannedPart[] {
  const url = media.file === undefined ? media.url : fit.fileUrl(media.file)
  if (url === undefined) {
    throw new ThroughlineError(
      'TL_CHANNEL_UNSUPPORTED',
      `the channel cannot carry ${article(kind)} and there is nothing to link to; give the part a stored file or a URL`,
    )
  }
  fit.lose(`${article(kind)} is sent as a link: the channel ${why}`)
  const link = planLiteral(fit, media.name === undefined ? url : `${media.name}: ${url}`)
  return caption === undefined ? link : [...planText(fit, caption), ...link]
}

/** `image/png` against `image/png`, `image/*` or `*`; parameters (`; codecs=opus`) do not decide. */
function mimeMatches(pattern: string, mime: string): boolean {
  const wanted = baseType(pattern)
  const given = baseType(mime)
  if (wanted === '*' || wanted === '*/*' || wanted === given) return true
  return wanted.endsWith('/*') && given.startsWith(wanted.slice(0, -1))
}

function baseType(mime: string): string {
  return (mime.split(';')[0] ?? '').trim().toLowerCase()
}

function megabytes(bytes: number): string {
  return bytes >= 1_048_576 ? `${Math.round(bytes / 104_857.6) / 10} MB` : `${Math.ceil(bytes / 1024)} kB`
}

function article(kind: MediaKind): string {
  return kind === 'audio' ? 'audio' : `${kind === 'image' ? 'an' : 'a'} ${kind === 'voice' ? 'voice message' : kind}`
}

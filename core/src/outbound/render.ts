import Handlebars from 'handlebars'
import { ThroughlineError } from '../errors.js'
import { allowedHelpers } from './template-syntax.js'

/** Characters of a rendered template; a message that long is a mistake. */
const MAX_OUTPUT = 65_536
/** Rounds of all {{#each}} of one rendering together. */
const MAX_ROUNDS = 10_000

export type Escape = 'none' | 'html'
export type RenderTemplate = (values: Readonly<Record<string, unknown>>, escape: Escape) => string

/**
 * Compiles a template that `templateFaults` found nothing in. Only from text: a syntax tree that somebody hands in could
 * hold code. Values are copied as JSON into objects without a prototype, so there is no way to a constructor.
 */
export function compileTemplate(name: string, source: string): RenderTemplate {
  const limits = { rounds: 0 }
  const engine = createEngine(limits)
  const compiled = new Map<Escape, HandlebarsTemplateDelegate>()
  return (values, escape) => {
    const template = compiled.get(escape) ?? compile(engine, source, escape)
    compiled.set(escape, template)
    limits.rounds = MAX_ROUNDS
    let text: string
    try {
      text = template(plainCopy(values), { allowProtoMethodsByDefault: false, allowProtoPropertiesByDefault: false })
    } catch (error) {
      throw new ThroughlineError(
        'TL_TEMPLATE_FAILED',
        `the template ${name} could not be rendered; look at its values and loops`,
        { cause: error, details: { template: name } },
      )
    }
    if (text.length <= MAX_OUTPUT) return text
    throw new ThroughlineError(
      'TL_TEMPLATE_FAILED',
      `the template ${name} became longer than ${MAX_OUTPUT} characters; shorten its loops or values`,
      { details: { template: name, length: text.length } },
    )
  }
}

function compile(engine: typeof Handlebars, source: string, escape: Escape): HandlebarsTemplateDelegate {
  return engine.compile(String(source), {
    noEscape: escape === 'none',
    knownHelpers: { ...Object.fromEntries(allowedHelpers.map((helper) => [helper, true])), log: false, lookup: false },
    knownHelpersOnly: true,
  })
}

function createEngine(limits: { rounds: number }): typeof Handlebars {
  const engine = Handlebars.create()
  const each = engine.helpers['each'] as (items: unknown, options: unknown) => string
  engine.unregisterHelper('log')
  engine.unregisterHelper('lookup')
  engine.registerHelper('each', function (this: unknown, items: unknown, options: unknown): string {
    limits.rounds -= items !== null && typeof items === 'object' ? Object.keys(items).length : 0
    if (limits.rounds < 0) throw new RangeError(`more than ${MAX_ROUNDS} rounds of {{#each}}`)
    return each.call(this, items, options)
  })
  engine.registerHelper('upper', (value: unknown) => text(value).toUpperCase())
  engine.registerHelper('lower', (value: unknown) => text(value).toLowerCase())
  engine.registerHelper('default', (value: unknown, other: unknown) => (text(value) === '' ? text(other) : text(value)))
  engine.registerHelper('date', dateHelper)
  return engine
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

const styles = new Set(['short', 'medium', 'long', 'full'])
type Style = 'short' | 'medium' | 'long' | 'full'

/** `{{date at style="long" timeZone="Europe/Berlin" locale="de"}}`; nothing for what is no time. */
function dateHelper(value: unknown, options?: { readonly hash?: Readonly<Record<string, unknown>> }): string {
  const at = new Date(typeof value === 'number' ? value : text(value))
  if (Number.isNaN(at.getTime())) return ''
  const hash = options?.hash ?? {}
  const style = (name: string): { style: Style } | null => {
    const wanted = text(hash[name])
    return styles.has(wanted) ? { style: wanted as Style } : null
  }
  const time = style('time')
  return new Intl.DateTimeFormat(text(hash['locale']) || 'en', {
    dateStyle: style('style')?.style ?? 'medium',
    timeZone: text(hash['timeZone']) || 'UTC',
    ...(time ? { timeStyle: time.style } : {}),
  }).format(at)
}

function plainCopy(values: Readonly<Record<string, unknown>>): unknown {
  return withoutPrototype(JSON.parse(JSON.stringify(values)) as unknown)
}

function withoutPrototype(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototype)
  if (value === null || typeof value !== 'object') return value
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, item] of Object.entries(value)) if (key !== '__proto__') copy[key] = withoutPrototype(item)
  return copy
}

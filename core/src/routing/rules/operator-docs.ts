import { factSchemas, type FactFields } from '../fact-schema.js'
import { formNames } from './compile.js'
import { builtInOperators } from './operators.js'

interface Entry {
  readonly group: string
  /** Arguments as they are written. */
  readonly args: string
  readonly text: string
}

const entries = (group: string, list: Readonly<Record<string, readonly [args: string, text: string]>>) =>
  Object.entries(list).map(([name, [args, text]]): [string, Entry] => [name, { group, args, text }])

/** What authors of rule files read about each operator; a test makes sure that none is missing. */
export const operatorDocs: ReadonlyMap<string, Entry> = new Map([
  ...entries('Reading facts', {
    var: ['path', 'The fact at this path; null where it is absent. A second argument stands in for what is absent.'],
    val: ['step, step, …', 'Like `var`, for keys with dots: `["contact", "attributes", "a.b"]`.'],
    missing: ['path, …', 'Those of the paths that are absent, null or empty.'],
    missing_some: [
      'count, paths',
      'Nothing, when at least so many of the paths are there; else those that are absent.',
    ],
    lookup: ['table, key, default', 'A value of `tables` of this file; the default, or null, where the key is absent.'],
  }),
  ...entries('Logic', {
    if: ['condition, then, …, else', 'The value after the first condition that holds.'],
    '?:': ['condition, then, else', 'The same as `if`.'],
    and: ['condition, …', 'All hold.'],
    or: ['condition, …', 'One of them holds.'],
    '!': ['value', 'Not: true for false, 0, "", null and an empty list.'],
    '!!': ['value', 'The opposite of `!`.'],
    '==': ['a, b', 'Equal after conversion, as in JavaScript: `1 == "1"`.'],
    '===': ['a, b', 'Equal and of one type.'],
    '!=': ['a, b', 'Not `==`.'],
    '!==': ['a, b', 'Not `===`.'],
  }),
  ...entries('Null', {
    is_set: ['value', 'Not null.'],
    coalesce: ['value, …', 'The first that is not null.'],
    default: ['value, other', 'The value; the other where it is null.'],
  }),
  ...entries('Numbers', {
    num_lt: ['a, b', 'Both are numbers, and a < b.'],
    num_lte: ['a, b', 'Both are numbers, and a ≤ b.'],
    num_gt: ['a, b', 'Both are numbers, and a > b.'],
    num_gte: ['a, b', 'Both are numbers, and a ≥ b.'],
    num_between: ['x, low, high', 'All are numbers, and low ≤ x ≤ high.'],
    '<': ['a, b', 'Less; with three arguments: between. Refused where a side may be null.'],
    '<=': ['a, b', 'Less or equal; with three arguments: between, ends included. Refused where a side may be null.'],
    '>': ['a, b', 'Greater. Refused where a side may be null.'],
    '>=': ['a, b', 'Greater or equal. Refused where a side may be null.'],
    '+': ['a, …', 'Sum; of one argument: as a number.'],
    '-': ['a, b', 'Difference; of one argument: its negative.'],
    '*': ['a, …', 'Product.'],
    '/': ['a, b', 'Quotient.'],
    '%': ['a, b', 'Remainder.'],
    min: ['a, …', 'The smallest.'],
    max: ['a, …', 'The largest.'],
    amount_gte: [
      'money, least, currency',
      'Money in this currency, and at least so much. Money is `{"amount": 120.5, "currency": "EUR"}` or `"120.50 EUR"`.',
    ],
  }),
  ...entries('Text, without regard to case and accents', {
    contains_word: ['text, words', 'One of the words or phrases stands in the text as a whole.'],
    starts_with: ['text, texts', 'The text begins with one of them.'],
    ends_with: ['text, texts', 'The text ends with one of them.'],
    matches_any: ['text, texts', 'One of them stands anywhere in the text.'],
    eq_ci: ['a, b', 'Equal texts.'],
    domain_in: ['address, domains', 'An e-mail address or host of one of the domains, or below one.'],
    cat: ['part, …', 'The parts as one text, 65,536 characters at most.'],
    substr: ['text, start, length', 'A piece of the text; negative numbers count from the end.'],
    in: ['a, b', 'a is an element of the list b, or stands in the text b: parts of words, too.'],
  }),
  ...entries('Lists', {
    has_any: ['list, list', 'They share an element.'],
    has_all: ['list, list', 'The first has all of the second.'],
    has_none: ['list, list', 'They share nothing.'],
    some: ['list, condition', 'It holds for an element; inside, `{"var": ""}` is the element.'],
    all: ['list, condition', 'It holds for all elements, and there are some.'],
    none: ['list, condition', 'It holds for no element.'],
    map: ['list, expression', 'The expression for each element.'],
    filter: ['list, condition', 'The elements for which it holds.'],
    reduce: ['list, expression, start', 'Folds a list: inside are `current` and `accumulator`.'],
    merge: ['list, …', 'One list of all, 10,000 elements at most.'],
  }),
  ...entries('Time', {
    before: ['time, time', 'Times as ISO 8601 with an offset; the first is earlier.'],
    after: ['time, time', 'The first is later.'],
    minutes_since: ['time', 'Minutes from then to `now`; null for no time.'],
    seconds_until: ['time', 'Seconds from `now` to then; null for no time.'],
    in_business_hours: ['calendar, time', 'The calendar is open at that time.'],
    business_minutes_between: ['calendar, from, to', 'Open minutes between two times.'],
    next_open_at: ['calendar, time', 'When it opens next; that time itself where it is open.'],
    local_time_between: ['time, zone, from, to', 'The local time of day lies between, as `"09:00"`.'],
    local_weekday_in: ['time, zone, days', 'The local weekday is one of `mon` … `sun`.'],
    is_holiday: ['calendar, time', 'A holiday of the calendar.'],
  }),
  ...entries('Business', {
    tier_gte: ['tier, tier', 'At least that tier, by the order of `tiers` in this file.'],
    pct_rollout: ['key, percent, name', 'The key is among so many percent: stable, and drawn anew for each name.'],
    queue_stat: [
      'queue, figure',
      '`waiting`, `held`, `oldest_wait_s`, `logged_in`, `free` or `ewt_s` (expected wait) of a queue; a few seconds old; null where unknown.',
    ],
    contact_stat: [
      'figure, window',
      '`conversations` within `1d`, `7d` or `30d`; `open_conversations`, `last_agent`, `last_channel` of the contact, this conversation not counted.',
    ],
  }),
  ...entries('The agent who had the conversation last (false without one)', {
    skill_gte: ['skill, level', 'Has the skill at this level or above.'],
    lang_gte: ['language, level', 'Speaks the language at this level (A1 … C2) or above.'],
    in_team: ['team, …', 'Belongs to one of the teams.'],
  }),
  ...entries('The sender', {
    ip_in_cidr: ['address, networks', 'An address of one of the networks, IPv4 or IPv6.'],
    country_in: ['country, countries', 'Two letters of ISO 3166, without regard to case.'],
  }),
])

/** docs/reference/rule-operators.md: operators by group, and the facts of each file. */
export function ruleOperatorsPage(): string {
  const names = [...operatorDocs].filter(([name]) => builtInOperators.has(name) || formNames.has(name))
  const groups = [...new Set(names.map(([, entry]) => entry.group))]
  const sections = groups.map((group) => {
    const rows = names
      .filter(([, entry]) => entry.group === group)
      .map(([name, { args, text }]) => `| \`${name}\` | ${cell(args)} | ${resultOf(name)} | ${cell(text)} |`)
    return [`## ${group}`, '', '| operator | arguments | result | meaning |', '|---|---|---|---|', ...rows].join('\n')
  })
  const facts = Object.entries(factSchemas).map(([file, fields]) => {
    const rows = factRows(fields, '')
    return [`### ${file}.json`, '', '| fact | type | meaning |', '|---|---|---|', ...rows].join('\n')
  })
  const intro = [
    'An operator is written `{ "name": [ arguments ] }`. All are pure: no clock but the fact `now`, no chance, no network. Those',
    'of JSON-logic work as in json-logic-js; all others are false, or null, when an argument is null or of another type. Plugins',
    'publish further ones as `name-of-plugin:operator`. How to write rules: [rule files](../guides/rule-files.md).',
  ].join('\n')
  const text = [
    '<!-- Generated by `throughline docs`. Do not edit. -->',
    '# Rule operators and facts',
    intro,
    ...sections,
  ]
  return `${[...text, '## Facts', ...facts].join('\n\n')}\n`
}

function resultOf(name: string): string {
  const found = builtInOperators.get(name)
  if (found !== undefined) return found.nullable === true ? `${found.result} or null` : found.result
  return ['and', 'or', 'some', 'all', 'none'].includes(name) ? 'boolean' : 'any'
}

function factRows(fields: FactFields, prefix: string): readonly string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = prefix + name
    const type = field.type === 'open' ? 'anything below' : field.type
    const values = 'values' in field && field.values !== undefined ? ` One of ${field.values.join(', ')}.` : ''
    const nullable = field.nullable ? ' or null' : ''
    const row = `| \`${path}\` | ${cell(type + nullable)} | ${cell(field.description + values)} |`
    return field.type === 'object' ? [row, ...factRows(field.fields, `${path}.`)] : [row]
  })
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

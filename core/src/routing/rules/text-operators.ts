import { spend } from './fuel.js'
import { MANY, operator, type Operator, type Run } from './operator.js'

const ASCII = /^[\x00-\x7f]*$/ // eslint-disable-line no-control-regex -- every ASCII text is its own decomposition
/** Scripts that put no space between words: there a word is any place where it occurs. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const WORD_CHARACTER = /[\p{L}\p{N}\p{M}]/u

let lastText = ''
let lastFolded = ''

/** Without case and accents. The last text is remembered: a file of a hundred rules asks about the same message. */
export function fold(text: string): string {
  if (text === lastText) return lastFolded
  const plain = ASCII.test(text) ? text : text.normalize('NFKD').replace(/\p{M}+/gu, '')
  const folded = plain.toLowerCase()
  if (text.length > 32) {
    lastText = text
    lastFolded = folded
  }
  return folded
}

/** Lists written in a rule file are frozen and stay the same object: their words are folded once. */
const foldedLists = new WeakMap<object, readonly string[]>()

function foldedWords(values: unknown): readonly string[] {
  if (!Array.isArray(values)) return typeof values === 'string' && values !== '' ? [fold(values)] : []
  const known = foldedLists.get(values)
  if (known !== undefined) return known
  const words = values.filter((item): item is string => typeof item === 'string' && item !== '').map(fold)
  if (Object.isFrozen(values)) foldedLists.set(values, words)
  return words
}

/** Characters looked at for one step: a list of words in a long text costs what it takes. */
const CHARACTERS_A_STEP = 4_096

function anyOf(args: readonly unknown[], run: Run, test: (text: string, wanted: string) => boolean): boolean {
  const [text, wanted] = args
  if (typeof text !== 'string') return false
  const words = args.length === 2 ? foldedWords(wanted) : args.slice(1).flatMap(foldedWords)
  const folded = fold(text)
  spend(run, Math.floor((folded.length * words.length) / CHARACTERS_A_STEP))
  for (const word of words) if (test(folded, word)) return true
  return false
}

function containsWord(text: string, word: string): boolean {
  const free = UNSPACED.test(word)
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (free) return true
    const before = at === 0 ? '' : String.fromCodePoint(text.codePointAt(at - 1) ?? 32)
    const after = text.slice(at + word.length, at + word.length + 2)
    if (!WORD_CHARACTER.test(before) && !WORD_CHARACTER.test(firstCharacter(after))) return true
  }
  return false
}

function firstCharacter(text: string): string {
  const point = text.codePointAt(0)
  return point === undefined ? '' : String.fromCodePoint(point)
}

/** Text, without regard to case and accents. No regular expressions: patterns are lists of literal texts. */
export const textOperators: Readonly<Record<string, Operator>> = Object.freeze({
  contains_word: operator([2, MANY], ['string', 'any'], 'boolean', (args, run) => anyOf(args, run, containsWord)),
  starts_with: operator([2, MANY], ['string', 'any'], 'boolean', (args, run) =>
    anyOf(args, run, (text, one) => text.startsWith(one)),
  ),
  ends_with: operator([2, MANY], ['string', 'any'], 'boolean', (args, run) =>
    anyOf(args, run, (text, one) => text.endsWith(one)),
  ),
  matches_any: operator([2, MANY], ['string', 'any'], 'boolean', (args, run) =>
    anyOf(args, run, (text, one) => text.includes(one)),
  ),
  eq_ci: operator(
    [2, 2],
    ['string'],
    'boolean',
    ([a, b]) => typeof a === 'string' && typeof b === 'string' && fold(a) === fold(b),
  ),
  domain_in: operator([2, MANY], ['string', 'any'], 'boolean', (args, run) =>
    anyOf(
      [typeof args[0] === 'string' ? `.${args[0].slice(args[0].lastIndexOf('@') + 1)}` : null, ...args.slice(1)],
      run,
      (text, one) => text.endsWith(`.${one}`),
    ),
  ),
})

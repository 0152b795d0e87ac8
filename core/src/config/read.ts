import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml'
import type { ConfigProblem, Position } from './contract.js'
import { joinPointer } from './pointer.js'
import { problem } from './problem.js'
import { createSource, type Offsets, type Source } from './source.js'

/** Limits against files made to hurt: size, depth, and how much aliases may blow a file up. */
const maxCharacters = 8 * 1024 * 1024
const maxDepth = 64
const maxAliasedNodes = 10_000
const maxProblems = 200

export interface YamlFile {
  /** Plain data: objects, arrays, strings, numbers, booleans, null. Undefined when the file cannot be read as YAML. */
  readonly data: unknown
  readonly source: Source
  readonly problems: readonly ConfigProblem[]
}

/** Read YAML text into plain data and positions. Never throws; every fault is a problem with a position. */
export function readYaml(file: string, text: string): YamlFile {
  const counter = new LineCounter()
  const offsets = new Map<string, Offsets>()
  const problems: ConfigProblem[] = []
  const source = createSource(file, offsets, (offset) => counter.linePos(offset))
  const failAt = (offset: number, message: string, remedy: string, pointer = ''): void => {
    if (problems.length >= maxProblems) return
    const { line, col } = counter.linePos(offset)
    const position: Position = { file, line: Math.max(1, line), column: Math.max(1, col) }
    // Also a fault inside one instance's entry makes the whole file unreadable.
    problems.push({ ...problem({ code: 'TL_CONFIG_YAML', position, pointer, message, remedy }), instance: null })
  }
  const done = (data: unknown): YamlFile => ({ data: problems.length > 0 ? undefined : data, source, problems })

  if (text.length > maxCharacters) {
    counter.addNewLine(0)
    failAt(0, `the file is larger than ${maxCharacters} characters`, 'Make it smaller; data does not belong here.')
    return done(undefined)
  }
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text
  const document = parse(clean, counter)
  if (document === null) {
    counter.addNewLine(0)
    failAt(0, 'the file is nested too deeply', `Nest at most ${maxDepth} levels.`)
    return done(undefined)
  }
  // What follows a syntax error on its line is an echo of it.
  const faulty = new Set<number>()
  for (const error of [...document.errors, ...document.warnings]) {
    const offset = startOfFault(document, error.code, error.message, error.pos[0])
    const { line } = counter.linePos(offset)
    if (faulty.has(line)) continue
    faulty.add(line)
    failAt(offset, firstSentence(error.message), yamlRemedy(error.code, clean, offset))
  }
  if (problems.length > 0) return done(undefined)

  const anchors = new Map<string, Node>()
  const open = new Set<Node>()
  let aliased = 0

  const walk = (node: Node | null, pointer: string, key: number, depth: number, inAlias: boolean): unknown => {
    const offset = node?.range?.[0] ?? key
    offsets.set(pointer, { key: key < 0 ? offset : key, value: offset })
    if (node === null) return null
    if (depth > maxDepth) {
      failAt(offset, 'the file is nested too deeply', `Nest at most ${maxDepth} levels.`, pointer)
      return null
    }
    if (inAlias && ++aliased > maxAliasedNodes) {
      if (aliased === maxAliasedNodes + 1) {
        failAt(
          offset,
          'aliases make the file grow without bounds',
          'Write the values out, or use fewer aliases.',
          pointer,
        )
      }
      return null
    }
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target === undefined || open.has(target)) {
        failAt(
          offset,
          `alias *${node.source} does not lead to a value`,
          'Define the anchor before it is used.',
          pointer,
        )
        return null
      }
      const value = walk(target, pointer, key, depth + 1, true)
      offsets.set(pointer, { key: key < 0 ? offset : key, value: offset })
      return value
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    if (isScalar(node)) return scalar(node.value, offset, pointer)
    if (!isCollection(node)) return null
    open.add(node)
    const value = isSeq(node)
      ? node.items.map((item, index) => walk(item as Node | null, joinPointer(pointer, index), -1, depth + 1, inAlias))
      : isMap(node)
        ? mapping(node.items, pointer, depth, inAlias)
        : null
    open.delete(node)
    return value
  }

  const mapping = (items: readonly unknown[], pointer: string, depth: number, inAlias: boolean): object => {
    const value: Record<string, unknown> = {}
    for (const item of items) {
      if (!isPair(item)) continue
      const keyNode = item.key as Node | null
      const offset = keyNode?.range?.[0] ?? 0
      if (!isScalar(keyNode) || keyNode.value === null || typeof keyNode.value === 'object') {
        if (typeof (keyNode as { value?: unknown } | null)?.value !== 'symbol') {
          failAt(offset, 'a key must be plain text', 'Write the key as one word, or put it in quotes.', pointer)
          continue
        }
      }
      const raw = isScalar(keyNode) ? keyNode.value : undefined
      if (typeof raw === 'symbol' || raw === '<<') {
        failAt(
          offset,
          'merge keys (<<) are not supported',
          'Write the keys out, or use a plain alias as a value.',
          pointer,
        )
        continue
      }
      const name = String(raw)
      const child = joinPointer(pointer, name)
      if (name === '__proto__') {
        failAt(offset, 'the key "__proto__" is not allowed', 'Remove it.', pointer)
      } else if (Object.hasOwn(value, name)) {
        const line = counter.linePos(offsets.get(child)?.key ?? 0).line
        failAt(offset, `the key "${name}" stands here a second time`, `Keep one; the first is in line ${line}.`, child)
      } else {
        value[name] = walk(item.value as Node | null, child, offset, depth + 1, inAlias)
      }
    }
    return value
  }

  const scalar = (value: unknown, offset: number, pointer: string): unknown => {
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    failAt(offset, 'the value is not text, a number, true or false', 'Put the value in quotes if it is text.', pointer)
    return null
  }

  const data = walk(document.contents, '', -1, 0, false)
  if (problems.length === 0 && data === null) {
    failAt(0, 'the file is empty', 'Start from the default config/throughline.yaml; the least is `version: 1`.')
  }
  return done(data)
}

/** The parser descends recursively; a file of brackets can exhaust its stack, which is a fault of the file. */
function parse(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | null {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      strict: true,
      // Checked by `mapping` instead: the parser compares every key with every other.
      uniqueKeys: false,
      merge: false,
      schema: 'core',
      resolveKnownTags: false,
      // 'silent' would also keep quiet about a second document.
      logLevel: 'error',
    })
  } catch {
    return null
  }
}

/** An open quote is noticed at the end of the file; what the reader needs is where it was opened. */
function startOfFault(document: Document, code: string, message: string, offset: number): number {
  if (code !== 'MISSING_CHAR' || !message.includes('quote')) return offset
  let start = offset
  visit(document, {
    Scalar: (_key, node) => {
      const at = node.range?.[0]
      if (node.type?.startsWith('QUOTE') === true && at !== undefined && at <= offset) start = at
    },
  })
  return start
}

function firstSentence(message: string): string {
  const line = message.split('\n')[0] ?? message
  return line.length > 160 ? `${line.slice(0, 160)}…` : line
}

function yamlRemedy(code: string, text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const end = text.indexOf('\n', offset)
  const line = text.slice(start, end < 0 ? undefined : end)
  if (/[{[,:]\s*\$\{/.test(line)) return 'Put ${…} in quotes: "${NAME}".'
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'Indent with spaces; YAML does not allow tabs.'
    case 'MULTIPLE_DOCS':
      return 'Keep one document: remove the line `---` and what follows, or merge it into the first.'
    case 'TAG_RESOLVE_FAILED':
      return 'Remove the tag (the word that starts with !); only plain values are allowed.'
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return 'Start a new line for the inner key, or put text that contains ": " in quotes.'
    case 'MISSING_CHAR':
      return 'Close the quote, bracket or brace, or add the missing colon.'
    case 'BAD_INDENT':
      return 'Give all keys of one block the same indentation.'
    case 'BAD_ALIAS':
      return 'Put text that starts with * or & in quotes.'
    default:
      return 'Correct the YAML here; text with special characters needs quotes.'
  }
}

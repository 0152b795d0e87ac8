import type { Position } from '../../config/contract.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A JSON text with the place of every value and key, by JSON pointer. Values are frozen and have no prototype. */
export interface JsonSource {
  readonly value: Json
  /** Where a value stands; for a pointer that leads nowhere, the nearest one above it. */
  at(pointer: string): Position
  keyAt(pointer: string): Position
}

export interface JsonFault {
  readonly position: Position
  readonly message: string
}

/** Deeper than any rule may be, and shallow enough that reading a hostile file cannot exhaust the stack. */
const MAX_DEPTH = 100

export function pointerTo(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** Strict JSON: what JSON.parse takes, and in addition no key twice and no key that reaches a prototype. */
export function parseJson(text: string, file: string): { readonly source: JsonSource } | { readonly fault: JsonFault } {
  const scanner = new Scanner(text)
  try {
    const value = scanner.document()
    const { values, keys } = scanner
    const near = (places: ReadonlyMap<string, number>, pointer: string): Position => {
      for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
        const offset = places.get(at)
        if (offset !== undefined) return positionAt(text, offset, file)
        if (at === '') return { file, line: 1, column: 1 }
      }
    }
    return {
      source: Object.freeze({
        value,
        at: (pointer: string) => near(values, pointer),
        keyAt: (pointer: string) => (keys.has(pointer) ? near(keys, pointer) : near(values, pointer)),
      }),
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { fault: { position: positionAt(text, error.offset, file), message: error.message } }
  }
}

function positionAt(text: string, offset: number, file: string): Position {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return Object.freeze({ file, line, column: offset - before.lastIndexOf('\n') })
}

class Fault extends Error {
  readonly offset: number
  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// eslint-disable-next-line no-control-regex -- JSON forbids them unescaped, and that is what is matched here
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const SPACE = /[ \t\r\n]*/y
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

class Scanner {
  readonly values = new Map<string, number>()
  readonly keys = new Map<string, number>()
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): Json {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1
    this.#space()
    const value = this.#value('', 0)
    this.#space()
    if (this.#at < this.#text.length) this.#fail('the file goes on after the end of its JSON value')
    return value
  }

  #value(pointer: string, depth: number): Json {
    if (depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH} levels`)
    this.values.set(pointer, this.#at)
    const next = this.#text[this.#at]
    if (next === '{') return this.#object(pointer, depth)
    if (next === '[') return this.#array(pointer, depth)
    if (next === '"') return this.#string()
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    const number = this.#match(NUMBER)
    if (number === null) this.#fail(next === undefined ? 'the file ends too early' : 'a JSON value is expected here')
    const parsed = Number(number)
    if (!Number.isFinite(parsed)) this.#fail('the number is too large')
    return parsed
  }

  #object(pointer: string, depth: number): Json {
    const result = Object.create(null) as Record<string, Json>
    this.#at += 1
    this.#space()
    if (this.#take('}')) return Object.freeze(result)
    for (;;) {
      this.#space()
      const start = this.#at
      if (this.#text[start] !== '"') this.#fail('a key in double quotes is expected here')
      const key = this.#string()
      if (FORBIDDEN.has(key)) this.#fail(`the key "${key}" is not allowed`, start)
      if (Object.hasOwn(result, key)) this.#fail(`the key "${key.slice(0, 60)}" stands here twice`, start)
      const inner = pointerTo(pointer, key)
      this.keys.set(inner, start)
      this.#space()
      if (!this.#take(':')) this.#fail('a colon is expected after the key')
      this.#space()
      result[key] = this.#value(inner, depth + 1)
      this.#space()
      if (this.#take('}')) return Object.freeze(result)
      if (!this.#take(',')) this.#fail('a comma or a closing brace is expected here')
    }
  }

  #array(pointer: string, depth: number): Json {
    const result: Json[] = []
    this.#at += 1
    this.#space()
    if (this.#take(']')) return Object.freeze(result)
    for (;;) {
      this.#space()
      result.push(this.#value(pointerTo(pointer, result.length), depth + 1))
      this.#space()
      if (this.#take(']')) return Object.freeze(result)
      if (!this.#take(',')) this.#fail('a comma or a closing bracket is expected here')
    }
  }

  #string(): string {
    const found = this.#match(STRING)
    if (found === null) this.#fail('the text is not closed, or holds a character that must be escaped')
    return JSON.parse(found) as string
  }

  #space(): void {
    this.#match(SPACE)
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at = pattern.lastIndex
    return found[0]
  }

  #fail(message: string, offset = this.#at): never {
    throw new Fault(offset, message)
  }
}

const WORDS: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

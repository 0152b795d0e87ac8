/** Spoilt copies of a sample body: what arrives when a network changes, or somebody tries. Deterministic. */
export function* mutations(sample: Uint8Array): Generator<{ readonly name: string; readonly body: Uint8Array }> {
  const bytes = (text: string) => new TextEncoder().encode(text)
  yield* [
    { name: 'nothing', body: new Uint8Array(0) },
    { name: 'null', body: bytes('null') },
    { name: 'an empty list', body: bytes('[]') },
    { name: 'an empty object', body: bytes('{}') },
    { name: 'a bare string', body: bytes('"text"') },
    { name: 'a number too large', body: bytes('1e999') },
    { name: 'invalid UTF-8', body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]) },
    { name: 'deep nesting', body: bytes('['.repeat(100_000) + ']'.repeat(100_000)) },
    { name: 'a byte order mark', body: new Uint8Array([0xef, 0xbb, 0xbf, ...sample]) },
    { name: 'trailing garbage', body: new Uint8Array([...sample, 0x7d, 0x78]) },
  ]
  for (const share of [0.1, 0.5, 0.9, 0.99])
    yield { name: `cut at ${share}`, body: sample.slice(0, Math.floor(sample.length * share)) }
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder().decode(sample))
  } catch {
    return
  }
  for (const path of pathsOf(parsed, [], 0)) {
    const at = path.join('.')
    for (const value of [null, 1, -1, '', 'x', '\u0000', true, [], {}, [null], 'x'.repeat(600), 2 ** 53 + 2])
      yield {
        name: `${at} = ${JSON.stringify(value).slice(0, 20)}`,
        body: bytes(JSON.stringify(replaced(parsed, path, value))),
      }
    yield { name: `${at} removed`, body: bytes(JSON.stringify(replaced(parsed, path, undefined))) }
  }
}

function* pathsOf(node: unknown, path: readonly string[], depth: number): Generator<readonly string[]> {
  if (path.length > 0) yield path
  if (typeof node !== 'object' || node === null || depth > 12) return
  for (const [key, child] of Object.entries(node)) yield* pathsOf(child, [...path, key], depth + 1)
}

function replaced(root: unknown, path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(root) as Record<string, unknown>
  let node: Record<string, unknown> = copy
  for (const key of path.slice(0, -1)) node = node[key] as Record<string, unknown>
  node[path.at(-1) ?? ''] = value
  return copy
}

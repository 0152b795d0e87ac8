export const redactedMark = '[redacted]'

/** Covers every secret in a text, longest first, so that no tail of a longer secret stays behind. */
export function redact(text: string, secrets: ReadonlySet<string>): string {
  let result = text
  for (const secret of longestFirst(secrets)) {
    if (result.includes(secret)) result = result.replaceAll(secret, redactedMark)
  }
  return result
}

const sorted = new WeakMap<ReadonlySet<string>, { readonly size: number; readonly list: readonly string[] }>()

/** Logging calls this for every line: the order is worked out once for a set of a given size. */
function longestFirst(secrets: ReadonlySet<string>): readonly string[] {
  const known = sorted.get(secrets)
  if (known?.size === secrets.size) return known.list
  const list = [...secrets].filter((secret) => secret !== '').sort((a, b) => b.length - a.length)
  sorted.set(secrets, { size: secrets.size, list })
  return list
}

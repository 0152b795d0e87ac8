/** "Did you mean": the nearest known name, or null when nothing is near enough to be a typing error. */
export function suggest(word: string, known: Iterable<string>): string | null {
  const wanted = word.toLowerCase()
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` Did you mean "x"?` with a space before it, or an empty string: to be appended to a sentence. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = suggest(word, known)
  return near === null ? '' : `, did you mean "${near}"?`
}

/** Edit distance with swaps of neighbours counting as one. Gives up (returns `limit`) for absurdly long words. */
function editDistance(a: string, b: string, limit: number): number {
  if (a.length > 100 || b.length > 100) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let value = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(value)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? limit
}

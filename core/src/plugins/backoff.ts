const firstMs = 1_000
const maxMs = 300_000

/** Full jitter: anywhere between nothing and the ceiling, which doubles from 1 s to 5 min. */
export function backoffMs(failures: number, random: () => number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 20))
  return Math.round(ceiling * random())
}

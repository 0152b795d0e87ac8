/** What a test gives to the helpers of test/src/support: here, for the length of a bench. Last in, first out. */
export interface Scope {
  teardown(fn: () => unknown): void
  end(): Promise<void>
}

export function createScope(): Scope {
  const all: (() => unknown)[] = []
  return {
    teardown: (fn) => void all.push(fn),
    async end() {
      for (let next = all.pop(); next !== undefined; next = all.pop()) await next()
    },
  }
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** CPU seconds a process has used so far, user and system; its memory in MB. Linux only. */
export async function usage(pid: number): Promise<{ readonly cpuS: number; readonly rssMb: number }> {
  const { readFile } = await import('node:fs/promises')
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const rss = /VmRSS:\s+(\d+) kB/.exec(status)?.[1]
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, rssMb: Number(rss) / 1024 }
}

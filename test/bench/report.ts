/** One result: the fields every bench has, and whatever helps to read it. */
export interface Line {
  readonly bench: string
  readonly ratio: number
  readonly goal: string
  readonly ours: number
  readonly theirs: number
  readonly unit: string
  readonly [more: string]: unknown
}

const short = (value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(4)) : Array.isArray(value) ? value.map(short) : value

export function printLine(line: Line): void {
  console.log(JSON.stringify(line, (_key, value: unknown) => short(value)))
}

export function printTable(lines: readonly Line[]): void {
  const rows = lines.map((line) =>
    [line.bench, short(line.ratio), line.goal, short(line.ours), short(line.theirs), line.unit].map(String),
  )
  const all = [['bench', 'ratio', 'goal', 'ours', 'theirs', 'unit'], ...rows]
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)))
  console.log(
    `\n${all
      .map((row) =>
        row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')}`,
  )
}

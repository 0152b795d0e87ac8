import { b1 } from './b1.js'
import { b2 } from './b2.js'
import { b3 } from './b3.js'
import { b4 } from './b4.js'
import { b5 } from './b5.js'
import { b6 } from './b6.js'
import { b7 } from './b7.js'
import { b8 } from './b8.js'
import { startDatabase } from './database.js'
import { printLine, printTable, type Line } from './report.js'
import { createScope } from './scope.js'

/** `npm run bench [B1 …]`: one JSON line a bench, then a table. docs/performance.md says how to read them. */
const benches: Readonly<Record<string, (serverUrl: string) => Promise<Line>>> = {
  B1: b1,
  B2: b2,
  B3: b3,
  B4: b4,
  B5: b5,
  B6: b6,
  B7: b7,
  B8: b8,
}

const asked = process.argv.slice(2).map((name) => name.toUpperCase())
const unknown = asked.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`npm run bench: there is no ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`)
  process.exit(64)
}
const scope = createScope()
const lines: Line[] = []
try {
  const url = await startDatabase(scope)
  for (const [name, run] of Object.entries(benches)) {
    if (asked.length > 0 && !asked.includes(name)) continue
    const line = await run(url)
    printLine(line)
    lines.push(line)
  }
  printTable(lines)
} finally {
  await scope.end()
}

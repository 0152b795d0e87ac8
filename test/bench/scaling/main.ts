import { parseArgs } from 'node:util'
import { measure } from './measure.js'
import { measuredOn, readPage, writePage } from './page.js'
import { pageParts, rounded } from './tables.js'

/**
 * `npm run scaling [-- --messages n] [--answers n] [--sockets n] [--write]`: measures what a message costs and what nodes share,
 * prints it as JSON and the tables made from it; --write puts both into docs/scaling.md. `--from-page` measures nothing and
 * calculates anew from the figures the page holds.
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    answers: { type: 'string', default: '3000' },
    sockets: { type: 'string', default: '2000' },
    write: { type: 'boolean', default: false },
    'from-page': { type: 'boolean', default: false },
  },
})
const sizes = {
  messages: Number(values.messages),
  answers: Number(values.answers),
  sockets: Number(values.sockets),
}
const measured = values['from-page']
  ? measuredOn(await readPage())
  : rounded(await measure(sizes, (text) => console.error(text)))
console.log(JSON.stringify(measured, null, 2))
for (const [name, body] of Object.entries(pageParts(measured))) if (name !== 'inputs') console.log(`\n${body}`)
if (values.write) await writePage(measured)

import type { Terminal } from './command.js'

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    env: process.env,
    cwd: process.cwd(),
    out: (text) => void process.stdout.write(`${text}\n`),
    write: (bytes) => void process.stdout.write(bytes),
    err: (text) => void process.stderr.write(`${text}\n`),
    readInput: async () => {
      if (process.stdin.isTTY) return null
      let text = ''
      process.stdin.setEncoding('utf8')
      for await (const chunk of process.stdin as AsyncIterable<string>) text += chunk
      return text
    },
  }
}

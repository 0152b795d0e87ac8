import { spawn } from 'node:child_process'
import { cliFile, repository } from './repository.js'
import { within } from './eventually.js'

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `throughline <arguments>` to its end. */
export async function throughline(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [cliFile, ...args], {
    cwd: options.cwd ?? repository,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  try {
    return await within(60_000, `the end of \`throughline ${args.join(' ')}\``, ended)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

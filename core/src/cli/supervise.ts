import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { exitCodes } from './exit-codes.js'

export interface SuperviseDeps {
  /** Program and arguments of the engine. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly err: (text: string) => void
  /** Milliseconds of the first pause; doubled up to 30 s, back to the first after a minute of life. 1,000 when left out. */
  readonly firstPauseMs?: number
}

const LAST_PAUSE_MS = 30_000
const STEADY_MS = 60_000

/**
 * Runs the engine as a child and starts it again when it dies: what systemd or a container's restart policy does elsewhere.
 * It ends when the engine ends in good order, when the configuration is at fault (78), or when it is told to stop itself:
 * signals are handed on. Resolves with the exit code.
 */
export async function supervise(deps: SuperviseDeps): Promise<number> {
  const [program, ...args] = deps.command
  let told: NodeJS.Signals | null = null
  const stopping = new AbortController()
  let child: ReturnType<typeof spawn> | undefined
  const hand = (signal: NodeJS.Signals): void => {
    told = signal
    // Ctrl-C in a terminal reaches the child by itself; twice would mean: at once.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child?.kill(signal)
    stopping.abort()
  }
  process.on('SIGTERM', hand).on('SIGINT', hand)
  try {
    for (let pause = deps.firstPauseMs ?? 1_000; ;) {
      const began = performance.now()
      const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
        child = spawn(program, args, { cwd: deps.cwd, env: { ...deps.env }, stdio: 'inherit' })
        child.once('error', reject)
        child.once('exit', (exit, by) => resolve({ code: exit, signal: by }))
      })
      child = undefined
      if (code === exitCodes.ok || code === exitCodes.configuration || told !== null) return code ?? exitCodes.failed
      if (performance.now() - began > STEADY_MS) pause = deps.firstPauseMs ?? 1_000
      deps.err(`throughline: the engine ended (${signal ?? `code ${code}`}); it is started again in ${pause / 1000} s`)
      await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (told !== null) return exitCodes.ok
      pause = Math.min(LAST_PAUSE_MS, pause * 2)
    }
  } finally {
    process.off('SIGTERM', hand).off('SIGINT', hand)
  }
}

import { type Context, PluginError } from '@throughline/plugin-sdk'
import { type Listener, type ListenerDeps, startListener } from './smtp-listener.js'

const RETRY_MS = 10_000

/** Keeps the SMTP listener of this node up, or waits for the port while another node of the same host holds it. */
export type ListenerSupervisor = {
  start(): Promise<void>
  stop(): Promise<void>
  /** host:port while listening. */
  address(): string | null
}

/**
 * A taken port is no reason to fail the whole instance: it can still send, and two nodes on one host share one port, so the
 * second takes over when the first goes. Everything else that keeps us from listening is a mistake in the settings.
 */
export function superviseListener(
  deps: ListenerDeps & { readonly setHealth: Context['setHealth']; readonly retryMs?: number },
): ListenerSupervisor {
  const { settings, log, setHealth, retryMs = RETRY_MS } = deps
  let listener: Listener | null = null
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let attempt: Promise<void> = Promise.resolve()

  async function open(): Promise<void> {
    try {
      const opened = await startListener(deps)
      if (stopped) return await opened.close()
      const waited = timer !== undefined
      listener = opened
      log.info({ address: opened.address }, 'listening for mail')
      if (waited) setHealth({ status: 'ok' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw explain(error, settings.listen)
      const userAction = `Free ${settings.listen} or set another smtp.listen; another node on this host may hold it, then nothing is to do`
      if (timer === undefined)
        log.warn(
          { listen: settings.listen, userAction },
          'SMTP port is in use; mail is not received on this node until it is free',
        )
      setHealth({
        status: 'degraded',
        code: 'smtp_port_in_use',
        detail: `cannot listen on ${settings.listen}: in use`,
        userAction,
      })
      schedule()
    }
  }

  function schedule(): void {
    if (stopped) return
    timer = setTimeout(() => {
      attempt = open().catch((error: unknown) => {
        log.error({ error: error instanceof Error ? error.message : String(error) }, 'SMTP listener cannot start')
        schedule()
      })
    }, retryMs)
  }

  return {
    async start() {
      stopped = false
      attempt = open()
      await attempt
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      timer = undefined
      await attempt.catch(() => undefined)
      const open = listener
      listener = null
      await open?.close()
    },
    address: () => listener?.address ?? null,
  }
}

function explain(error: unknown, listen: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EACCES')
    return new PluginError(
      'config',
      `smtp.listen: this user may not listen on ${listen}; take a port above 1023 and forward 25 to it`,
      { cause: error },
    )
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new PluginError('config', `smtp.listen: ${listen} is no address of this host`, { cause: error })
  return error
}

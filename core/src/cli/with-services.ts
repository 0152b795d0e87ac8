import type { Config } from '../config/contract.js'
import type { Invocation } from './command.js'
import type { CommandServices } from './engine-entry.js'
import { loadForCommand } from './load-for-command.js'

/** Opens the engine's services for one command and closes them again, also after a failure. */
export async function withServices<T>(
  invocation: Invocation,
  use: (services: CommandServices, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadForCommand(invocation)
  const engine = await invocation.engine()
  const services = await engine.openServices({ configFile: invocation.configFile, env: invocation.terminal.env })
  try {
    return await use(services, config)
  } finally {
    await services.close()
  }
}

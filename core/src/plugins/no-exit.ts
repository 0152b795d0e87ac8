import { currentAttribution } from './attribution.js'
import { PluginError } from '@throughline/plugin-sdk'

/**
 * A plugin that ends the process would end everybody's work: process.exit, process.abort and process.kill of this very
 * process throw when plugin code calls them, which counts as any other bug of that instance. Returns the undo function.
 */
export function keepPluginsFromEnding(): () => void {
  const { exit, abort, kill } = process
  const refuse = (what: string): void => {
    const by = currentAttribution()
    if (by === undefined) return
    throw new PluginError('bug', `${by.instance} called ${what}; a plugin must not end the engine`)
  }
  process.exit = (code) => {
    refuse('process.exit()')
    return exit.call(process, code)
  }
  process.abort = () => {
    refuse('process.abort()')
    return abort.call(process)
  }
  process.kill = (pid, signal) => {
    if (pid === process.pid && signal !== 0) refuse('process.kill() on the engine')
    return kill.call(process, pid, signal)
  }
  return () => Object.assign(process, { exit, abort, kill })
}

import { isThroughlineError } from '../errors.js'
import { incompatibility } from '../plugins/compatibility.js'
import { loadPlugin } from '../plugins/loader.js'
import type { LoadDefinition } from './plugin-definition.js'

/** The engine's own loader and version rule, as an answer instead of an exception. */
export const loadDefinition: LoadDefinition = async (instance, configFile) => {
  try {
    const { def, file } = await loadPlugin(instance.use, configFile)
    const misfit = instance.allowIncompatible ? null : incompatibility(def, { use: instance.use, file })
    return misfit === null ? { ok: true, plugin: def } : { ok: false, code: misfit.code, message: misfit.message }
  } catch (error) {
    if (isThroughlineError(error)) return { ok: false, code: error.code, message: error.message }
    throw error
  }
}

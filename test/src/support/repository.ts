import { fileURLToPath } from 'node:url'

/** The repository as checked out: tests run the product from there, as its users do. */
export const repository = fileURLToPath(new URL('../../../../', import.meta.url))
export const cliFile = `${repository}core/bin/throughline.js`
/** The configuration the product is delivered with. */
export const defaultConfig = `${repository}config/throughline.yaml`

import type { ConnectorLimits } from './connector.js'

/** Time limits of the lifecycle, in milliseconds. */
export interface SupervisorLimits {
  readonly setup: number
  readonly check: number
  readonly start: number
  readonly stop: number
  readonly healthEvery: number
  readonly connector?: ConnectorLimits
}

export const defaultLimits: SupervisorLimits = Object.freeze({
  setup: 10_000,
  check: 30_000,
  start: 30_000,
  stop: 10_000,
  healthEvery: 30_000,
})

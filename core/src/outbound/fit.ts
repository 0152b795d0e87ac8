import type { Capabilities, Part, TextUnit } from '@throughline/plugin-sdk'

/** One part the way a channel can carry it. `text` is never blank: a text-only channel needs nothing else. */
export interface PlannedPart {
  readonly text: string
  readonly content: Part
}

export interface PlanOptions {
  /** A link to a stored file that the customer can open. */
  fileUrl(key: string): string
}

/** What the steps of one plan share: the channel's limits, and the list of what got lost on the way. */
export interface Fit {
  readonly capabilities: Capabilities
  readonly unit: TextUnit
  readonly maxLength: number
  readonly plain: boolean
  fileUrl(key: string): string
  /** Records a loss, in words for the agent; the same loss once. */
  lose(what: string): void
  /** Notes that choices are shown with their numbers: the customer will answer with one. */
  numbered(): void
  /** Reserves numbers for choices; answers the first. */
  number(count: number): number
}

export function createFit(
  capabilities: Capabilities,
  options: PlanOptions,
  losses: Set<string>,
): Fit & { readonly listed: boolean } {
  let next = 1
  let listed = false
  return {
    get listed() {
      return listed
    },
    numbered: () => void (listed = true),
    capabilities,
    unit: capabilities.text.unit ?? 'utf16',
    maxLength: Math.max(1, capabilities.text.maxLength),
    plain: capabilities.text.format === 'plain',
    fileUrl: (key) => options.fileUrl(key),
    lose: (what) => void losses.add(what),
    number: (count) => {
      next += count
      return next - count
    },
  }
}

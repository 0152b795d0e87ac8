import type { Capabilities, Channel, Support } from '@throughline/plugin-sdk'

const methods = ['edit', 'remove', 'react'] as const

function claims(support: Support | object | undefined): boolean {
  return support !== undefined && support !== 'fallback' && support !== 'reject'
}

/** What a channel declares against what it implements, both ways. Sentences for the log. */
export function capabilityMismatches(capabilities: Capabilities, channel: Channel): readonly string[] {
  const found: string[] = []
  for (const method of methods) {
    const declared = claims(capabilities[method])
    const there = typeof channel[method] === 'function'
    if (declared && !there) found.push(`declares the capability ${method} but has no method ${method}()`)
    if (!declared && there) found.push(`has a method ${method}() but does not declare the capability ${method}`)
  }
  const typing = typeof channel.typing === 'function'
  if (capabilities.typing === true && !typing) found.push('declares the capability typing but has no method typing()')
  if (capabilities.typing !== true && typing)
    found.push('has a method typing() but does not declare the capability typing')
  if (typeof channel.send !== 'function') found.push('has no method send()')
  return found
}

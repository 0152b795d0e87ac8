/**
 * What one channel keeps in this browser. Where storage is refused (private windows, strict settings) it lives as long
 * as the page. Only the anonymous token is ever kept: a signed visitor's token would outlive signing out of the site.
 */
export function createMemory(namespace) {
  const local = store(() => globalThis.localStorage, namespace)
  const tab = store(() => globalThis.sessionStorage, namespace)
  return {
    namespace,
    token: () => local.get('token'),
    keepToken: (token) => local.set('token', token),
    claimed: () => local.get('claimed') ?? {},
    keepClaimed: (claimed) => local.set('claimed', claimed),
    acknowledged: (thread) => local.get(`read:${thread}`),
    keepAcknowledged: (thread, cursor) => local.set(`read:${thread}`, cursor),
    /** Unsent messages stay with their tab, so that two tabs never send the same one. */
    outbox: (thread) => tab.get(`outbox:${thread}`) ?? [],
    keepOutbox: (thread, entries) => tab.set(`outbox:${thread}`, entries.length === 0 ? null : entries),
  }
}

function store(open, namespace) {
  const fallback = new Map()
  const key = (name) => `${namespace}:${name}`
  return {
    get(name) {
      try {
        const text = open().getItem(key(name))
        return text === null ? (fallback.get(name) ?? null) : JSON.parse(text)
      } catch {
        return fallback.get(name) ?? null
      }
    },
    set(name, value) {
      if (value === null) fallback.delete(name)
      else fallback.set(name, value)
      try {
        if (value === null) open().removeItem(key(name))
        else open().setItem(key(name), JSON.stringify(value))
      } catch {
        // Kept in `fallback` for the life of the page.
      }
    },
  }
}

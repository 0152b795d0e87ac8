import { BlockList, isIP } from 'node:net'

/**
 * Which addresses the engine may call on somebody else's word. Everything that is not the public Internet is refused:
 * loopback, private, link-local (cloud metadata), carrier NAT, multicast, documentation, and every way of writing an IPv4
 * address inside IPv6 (mapped, compatible, NAT64, 6to4, Teredo), because those reach the same hosts.
 */
export interface EgressRules {
  /** May this resolved address be connected to? */
  allows(address: string, host: string, port: number): boolean
  /** Ports of well-known non-HTTP services are refused unless `host:port` is on the list. */
  allowsPort(host: string, port: number): boolean
}

const v4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24',
  '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24',
  '224.0.0.0/4', '240.0.0.0/4',
] // prettier-ignore
/** Inside 2000::/3, the only part of IPv6 that is routed publicly. */
const v6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const refused = listOf([...v4, ...v6])
const publicV6 = listOf(['2000::/3'])

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  return list
}

function addRange(list: BlockList, range: string): boolean {
  const [network = '', bits] = range.split('/')
  const version = isIP(network)
  if (version === 0) return false
  const width = bits === undefined ? (version === 4 ? 32 : 128) : Number(bits)
  if (!Number.isInteger(width) || width < 0 || width > (version === 4 ? 32 : 128)) return false
  list.addSubnet(network, width, version === 4 ? 'ipv4' : 'ipv6')
  return true
}

export function isPublicAddress(address: string): boolean {
  const version = isIP(address)
  if (version === 4) return !refused.check(address, 'ipv4')
  // A zone (fe80::1%eth0) is link-local; isIP takes it for valid, the lists do not.
  if (version !== 6 || address.includes('%')) return false
  return publicV6.check(address, 'ipv6') && !refused.check(address, 'ipv6')
}

/**
 * @param allow what the operator opens: `10.0.0.0/8`, `127.0.0.1`, `crm.internal`, `crm.internal:8443`. A host name opens
 * whatever it resolves to.
 */
export function egressRules(allow: readonly string[]): EgressRules {
  const addresses = new BlockList()
  const hosts = new Set<string>()
  for (const entry of allow) if (!addRange(addresses, entry)) hosts.add(entry.toLowerCase())
  const named = (host: string, port: number): boolean => hosts.has(host) || hosts.has(`${host}:${port}`)
  const listed = (address: string): boolean =>
    isIP(address) !== 0 && !address.includes('%') && addresses.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  return Object.freeze({
    allows: (address, host, port) => isPublicAddress(address) || listed(address) || named(host, port),
    allowsPort: (host, port) => port === 80 || port === 443 || port >= 1024 || named(host, port) || listed(host),
  } satisfies EgressRules)
}

import { BlockList, isIP } from 'node:net'
import { PluginError } from '@throughline/plugin-sdk'

/** Networks in CIDR notation (or single addresses) as a membership test. */
export function clientFilter(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.trim().split('/')
    const family = isIP(address)
    const prefix = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits)
    const valid =
      family !== 0 && Number.isInteger(prefix) && prefix >= 0 && prefix <= (family === 6 ? 128 : 32) && bits !== ''
    if (!valid) {
      throw new PluginError(
        'config',
        `smtp.allowedClients: "${network}" is not a network; write it like 10.0.0.0/8 or 192.0.2.7`,
      )
    }
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  }
  return (address) => {
    const plain =
      address.toLowerCase().startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
    const family = isIP(plain)
    return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4')
  }
}

/** `127.0.0.1:2525`, `[::1]:2525` or `:2525` → host and port. */
export function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, Math.max(colon, 0)).replace(/^\[|\]$/g, '')
  const digits = listen.slice(colon + 1)
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN
  if (colon < 0 || !(port >= 0 && port <= 65_535)) {
    throw new PluginError('config', `smtp.listen: "${listen}" is not host:port; write it like 127.0.0.1:2525`)
  }
  return { host: host === '' ? '0.0.0.0' : host, port }
}

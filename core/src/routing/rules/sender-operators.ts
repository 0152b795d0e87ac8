import { BlockList, isIP } from 'node:net'
import { checked, MANY, operator, type Operator } from './operator.js'

const NETWORK = /^(.+?)(?:\/(\d{1,3}))?$/

interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. null: neither. */
function networkOf(text: unknown): Network | null {
  const [, address = '', bits] = typeof text === 'string' ? (NETWORK.exec(text) ?? []) : []
  const version = isIP(address)
  if (version === 0) return null
  const most = version === 4 ? 32 : 128
  const prefix = bits === undefined ? most : Number(bits)
  return prefix > most ? null : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** Lists in a rule file are frozen and stay the same object, so each is built once. */
const lists = new WeakMap<object, BlockList>()

function listOf(networks: readonly unknown[]): BlockList {
  const known = lists.get(networks)
  if (known !== undefined) return known
  const list = new BlockList()
  for (const network of networks.map(networkOf)) {
    if (network !== null) list.addSubnet(network.address, network.prefix, network.family)
  }
  if (Object.isFrozen(networks)) lists.set(networks, list)
  return list
}

interface Money {
  readonly amount: number
  readonly currency: string
}

/** `{ "amount": 120.5, "currency": "EUR" }`, `"120.50 EUR"` or `"EUR 120.50"`. */
function moneyOf(value: unknown): Money | null {
  if (typeof value === 'string') {
    const [, before, amount, after] = /^(?:([A-Z]{3}) )?(-?\d{1,15}(?:\.\d{1,6})?)(?: ([A-Z]{3}))?$/.exec(value) ?? []
    const currency = before ?? after
    return amount === undefined || currency === undefined ? null : { amount: Number(amount), currency }
  }
  if (typeof value !== 'object' || value === null) return null
  const { amount, currency } = value as Readonly<Record<string, unknown>>
  const number = typeof amount === 'string' && /^-?\d{1,15}(\.\d{1,6})?$/.test(amount) ? Number(amount) : amount
  return typeof number === 'number' && Number.isFinite(number) && typeof currency === 'string'
    ? { amount: number, currency }
    : null
}

/** What is known of whoever writes: where from, and how much it is about. */
export const senderOperators: Readonly<Record<string, Operator>> = Object.freeze({
  ip_in_cidr: checked(
    operator([2, MANY], ['string', 'any'], 'boolean', ([ip, ...networks]) => {
      if (typeof ip !== 'string' || isIP(ip) === 0) return false
      const [only] = networks
      const list = listOf(networks.length === 1 && Array.isArray(only) ? only : networks.flat())
      return list.check(ip, isIP(ip) === 4 ? 'ipv4' : 'ipv6')
    }),
    ({ args, error }) => {
      args.slice(1).forEach((arg, index) => {
        for (const one of [arg].flat()) {
          if (typeof one === 'string' && networkOf(one) === null)
            error(index + 1, `"${one.slice(0, 60)}" is not a network: write "10.0.0.0/8" or "2001:db8::/32"`)
        }
      })
    },
  ),
  country_in: checked(
    operator([2, MANY], ['string', 'any'], 'boolean', ([country, ...wanted]) => {
      if (typeof country !== 'string') return false
      const code = country.toUpperCase()
      return wanted.flat().some((one) => typeof one === 'string' && one.toUpperCase() === code)
    }),
    ({ args, error }) => {
      args.slice(1).forEach((arg, index) => {
        for (const one of [arg].flat()) {
          if (typeof one === 'string' && !/^[a-z]{2}$/i.test(one))
            error(index + 1, `"${one.slice(0, 60)}" is not a country: write the two letters of ISO 3166, like "DE"`)
        }
      })
    },
  ),
  amount_gte: checked(
    operator([3, 3], ['any', 'number', 'string'], 'boolean', ([value, least, currency]) => {
      const money = moneyOf(value)
      return money !== null && typeof least === 'number' && money.currency === currency && money.amount >= least
    }),
    ({ args: [, , currency], error }) => {
      if (typeof currency === 'string' && !/^[A-Z]{3}$/.test(currency))
        error(2, `"${currency.slice(0, 20)}" is not a currency: write the three letters of ISO 4217, like "EUR"`)
    },
  ),
})

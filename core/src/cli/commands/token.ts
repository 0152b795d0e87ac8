import { UsageError, type Command, type Invocation } from '../command.js'
import type { CommandServices } from '../engine-entry.js'
import { exitCodes } from '../exit-codes.js'
import { argument, dateText, notFound, option, printList, wholeNumber } from '../print.js'
import { withServices } from '../with-services.js'
import { oneOf, roles } from './agent.js'

const dayMs = 24 * 3600 * 1000

export const token: Command = {
  usage: 'token create --name NAME [--role ROLE] [--agent ID] [--days N] | list | revoke <id>',
  summary: 'API tokens for tools and integrations.',
  help: [
    'create  prints the token once; only its hash is kept. Role: integrator unless told otherwise.',
    'list    all tokens, without the secrets; --json for machines',
    'revoke  the token stops working within seconds',
  ],
  actions: ['create', 'list', 'revoke'],
  options: {
    name: { type: 'string' },
    role: { type: 'string' },
    agent: { type: 'string' },
    days: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const action = invocation.positionals[0]
    const id = action === 'revoke' ? argument(invocation, 1, 'the id of the token', 'token revoke <id>') : ''
    const wanted = action === 'create' ? readWanted(invocation) : null
    return withServices(invocation, async ({ accounts }) => {
      if (wanted !== null) await create(invocation, accounts, wanted)
      else if (action === 'revoke') {
        if (!(await accounts.revokeToken(id))) throw notFound(`token "${id}"`, 'token list')
        invocation.terminal.out(`Token ${id} is revoked.`)
      } else await list(invocation, accounts)
      return exitCodes.ok
    })
  },
}

type Accounts = CommandServices['accounts']
type Wanted = Parameters<Accounts['createToken']>[0]

function readWanted(invocation: Invocation): Wanted {
  const name = option(invocation, 'name')
  if (name === null) throw new UsageError('a token needs a name that says what uses it: give --name NAME')
  const role = oneOf('role', option(invocation, 'role') ?? 'integrator', roles)
  const agent = option(invocation, 'agent')
  const days = wholeNumber(invocation, 'days', 0, 3650)
  return {
    name,
    role,
    ...(agent === null ? {} : { agent }),
    ...(days === 0 ? {} : { expiresAt: new Date(Date.now() + days * dayMs) }),
  }
}

async function create(invocation: Invocation, accounts: Accounts, wanted: Wanted): Promise<void> {
  const created = await accounts.createToken(wanted)
  if (invocation.options['json'] === true) return invocation.terminal.out(JSON.stringify(created, null, 2))
  invocation.terminal.out(created.token)
  invocation.terminal.err(`Token ${created.id} was made. It is shown this once: keep it like a password.`)
}

async function list(invocation: Invocation, accounts: Accounts): Promise<void> {
  const all = await accounts.tokens()
  const head = ['id', 'name', 'role', 'created', 'last used', 'state']
  const row = (item: (typeof all)[number]): readonly string[] => [
    item.id,
    item.name,
    item.role,
    dateText(item.createdAt),
    dateText(item.lastUsedAt),
    item.revokedAt === null ? 'active' : 'revoked',
  ]
  printList(invocation, all, head, row, 'There is no token yet: `throughline token create --name NAME`.')
}

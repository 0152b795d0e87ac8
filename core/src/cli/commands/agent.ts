import { randomBytes } from 'node:crypto'
import type { AgentAccounts } from '../../agents/contract.js'
import type { AgentRole, Config } from '../../config/contract.js'
import { didYouMean } from '../../suggest.js'
import { UsageError, type Command, type Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { argument, notFound, option, printList } from '../print.js'
import { withServices } from '../with-services.js'

export const roles: readonly AgentRole[] = Object.freeze(['agent', 'lead', 'admin', 'auditor', 'integrator'])

export const agent: Command = {
  usage:
    'agent add <id> --email ADDRESS | list | password <id> | code <id> | disable <id> | enable <id> | connect --code CODE',
  summary: 'Accounts of the people who answer.',
  help: [
    'add       a new account; without --stdin it has no password until `agent password` is used',
    'list      all accounts; --json for machines',
    'password  a new password, made and printed once, or read from standard input with --stdin; ends all sessions',
    'code      a one-time sign-in code, good for 15 minutes',
    'connect   answer customers from this terminal: --code CODE of the ready block, or --email and the variable',
    '          THROUGHLINE_PASSWORD; --url of the engine (default http://localhost:8080); --auto-accept takes all offers',
    'disable   ends all sessions and lets nobody in; `enable` takes it back',
  ],
  actions: ['add', 'list', 'password', 'code', 'disable', 'enable', 'connect'],
  options: {
    name: { type: 'string' },
    email: { type: 'string' },
    role: { type: 'string' },
    teams: { type: 'string' },
    stdin: { type: 'boolean' },
    json: { type: 'boolean' },
    url: { type: 'string' },
    code: { type: 'string' },
    'auto-accept': { type: 'boolean' },
  },
  async run(invocation) {
    const action = invocation.positionals[0] ?? ''
    if (action === 'connect') return connect(invocation)
    const id = action === 'list' ? '' : argument(invocation, 1, 'the id of the agent', `agent ${action} <id>`)
    return withServices(invocation, async ({ accounts }, config) => {
      switch (action) {
        case 'add':
          await add(invocation, accounts, config, id)
          break
        case 'list':
          await list(invocation, accounts)
          break
        case 'password':
          await password(invocation, accounts, id)
          break
        case 'code':
          await mustExist(accounts, id)
          invocation.terminal.out(await accounts.createSignInCode(id))
          break
        default:
          await mustExist(accounts, id)
          await accounts.setDisabled(id, action === 'disable')
          invocation.terminal.out(`Agent ${id} is ${action}d.`)
      }
      return exitCodes.ok
    })
  },
}

/** Only the public API: no configuration, no database, so it works from any machine. */
async function connect(invocation: Invocation): Promise<number> {
  const { agentConnect } = await import('../agent-connect.js')
  const code = option(invocation, 'code')
  const email = option(invocation, 'email')
  const password = invocation.terminal.env['THROUGHLINE_PASSWORD']
  if (code === null && (email === null || password === undefined)) {
    throw new UsageError(
      'give --code CODE (the ready block of `throughline start` shows one), or --email ADDRESS and THROUGHLINE_PASSWORD',
    )
  }
  await agentConnect({
    url: (option(invocation, 'url') ?? 'http://localhost:8080').replace(/\/$/, ''),
    credentials: code === null ? { email: email ?? '', password: password ?? '' } : { code },
    autoAccept: invocation.options['auto-accept'] === true,
    input: process.stdin,
    out: (line) => invocation.terminal.out(line),
  })
  return exitCodes.ok
}

async function add(invocation: Invocation, accounts: AgentAccounts, config: Config, id: string): Promise<void> {
  if (!/^[a-z][a-z0-9-]{1,40}$/.test(id)) {
    throw new UsageError(`"${id}" is not a valid id: use 2 to 41 lower-case letters, digits and dashes`)
  }
  const email = option(invocation, 'email')
  if (email === null || !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new UsageError('an e-mail address is needed to sign in: give --email ADDRESS')
  }
  const role = oneOf('role', option(invocation, 'role') ?? 'agent', roles)
  const known = config.teams.map((team) => team.id)
  const teams = (option(invocation, 'teams') ?? '').split(',').filter((team) => team !== '')
  for (const team of teams) oneOf('team', team, known)
  const secret = invocation.options['stdin'] === true ? await readPassword(invocation) : null
  const name = option(invocation, 'name') ?? id
  await accounts.add({ id, name, email, role, teams, ...(secret === null ? {} : { password: secret }) })
  const next = secret === null ? ` Set a password with \`throughline agent password ${id}\`.` : ''
  invocation.terminal.out(`Agent ${id} was added.${next}`)
}

async function list(invocation: Invocation, accounts: AgentAccounts): Promise<void> {
  const all = await accounts.list()
  const head = ['id', 'name', 'e-mail', 'role', 'teams', 'password', 'state']
  const row = (item: (typeof all)[number]): readonly string[] => [
    item.id,
    item.name,
    item.email,
    item.role,
    item.teams.join(','),
    item.hasPassword ? 'set' : 'none',
    item.disabledAt === null ? 'active' : 'disabled',
  ]
  printList(invocation, all, head, row, 'There is no agent yet: `throughline agent add <id> --email ADDRESS`.')
}

async function password(invocation: Invocation, accounts: AgentAccounts, id: string): Promise<void> {
  await mustExist(accounts, id)
  const given = invocation.options['stdin'] === true
  const secret = given ? await readPassword(invocation) : randomBytes(15).toString('base64url')
  await accounts.setPassword(id, secret)
  if (!given) invocation.terminal.out(secret)
  invocation.terminal.err(`The password of ${id} was set; all sessions of the agent have ended.`)
}

async function readPassword({ terminal }: Invocation): Promise<string> {
  const text = (await terminal.readInput())?.replace(/\r?\n$/, '') ?? ''
  if (text.length < 10)
    throw new UsageError('the password on standard input is shorter than 10 characters: choose a longer one')
  return text
}

async function mustExist(accounts: AgentAccounts, id: string): Promise<void> {
  const all = await accounts.list()
  if (!all.some((item) => item.id === id)) throw notFound(`agent "${id}"`, 'agent list')
}

export function oneOf<T extends string>(what: string, value: string, known: readonly T[]): T {
  const found = known.find((item) => item === value)
  if (found !== undefined) return found
  throw new UsageError(`unknown ${what} "${value}"${didYouMean(value, known)}: use one of ${known.join(', ')}`)
}

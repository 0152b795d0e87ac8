import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { PluginDef } from '@throughline/plugin-sdk'
import type { Config, InstanceConfig } from '../../config/contract.js'
import { closeObjects } from '../../config/instance.js'
import { redact } from '../../config/redact.js'
import { problemLine } from '../../config/report.js'
import type { SchemaNode } from '../../config/schema.js'
import { didYouMean } from '../../suggest.js'
import { ThroughlineError } from '../../errors.js'
import { UsageError, type Command, type Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { installedPlugins } from '../installed-plugins.js'
import { loadForCommand } from '../load-for-command.js'
import { loadDefinition } from '../load-definition.js'
import { allInstances, kindOf, settingsOf } from '../plugin-definition.js'
import { provePlugin, type Proof } from '../prove-plugin.js'
import { argument, printList } from '../print.js'
import { releasePlugin } from '../release-plugin.js'
import { simulate } from '../simulate-plugin.js'

export const plugin: Command = {
  usage:
    'plugin list [--installed] | schema <use> | doctor [<id>] | simulate <channel> <payload-file> [--sign] | release <id>',
  summary: 'Plugins: what is configured, their settings, their credentials, a payload tried out.',
  help: [
    'list      instances of the configuration; --installed: plugins that came with the engine; --json for machines',
    'schema    JSON Schema of the settings of a plugin, by instance id or by what stands after `use:`',
    'doctor    proves credentials where the plugin can (may call the provider), for one instance or for all',
    'simulate  gives a payload to a channel as its provider would, and prints the events; nothing is stored or sent.',
    '          --sign signs it with the configured secret; --header "name: value" adds one header',
    'release   lets an instance run again that took a process down and is in quarantine; nodes notice within 5 s',
  ],
  actions: ['list', 'schema', 'doctor', 'simulate', 'release'],
  options: {
    installed: { type: 'boolean' },
    json: { type: 'boolean' },
    sign: { type: 'boolean' },
    header: { type: 'string' },
  },
  async run(invocation) {
    switch (invocation.positionals[0]) {
      case 'list':
        return invocation.options['installed'] === true ? listInstalled(invocation) : list(invocation)
      case 'schema':
        return schema(invocation)
      case 'doctor':
        return doctor(invocation)
      case 'release':
        return releasePlugin(invocation)
      default:
        return runSimulation(invocation)
    }
  },
}

interface Listed {
  readonly id: string
  readonly kind: string
  readonly use: string
  readonly plugin: string | null
  readonly version: string | null
  readonly problems: readonly string[]
}

async function list(invocation: Invocation): Promise<number> {
  const config = loadForCommand(invocation)
  const items: Listed[] = []
  for (const instance of allInstances(config)) {
    const found = await loadDefinition(instance, config.file)
    const known = found.ok ? found.plugin : null
    const problems = [
      ...(instance.problems ?? []).map((item) => problemLine(item, invocation.terminal.cwd)),
      ...(found.ok ? [] : [`${found.message} (${found.code})`]),
      ...(known === null ? [] : errorsOf(invocation, instance, known)),
    ]
    const { id, use } = instance
    items.push({
      id,
      kind: kindOf(instance),
      use,
      plugin: known?.name ?? null,
      version: known?.version ?? null,
      problems,
    })
  }
  const head = ['id', 'kind', 'use', 'plugin', 'version', 'state']
  const row = (item: Listed): readonly string[] => [
    item.id,
    item.kind,
    item.use,
    item.plugin ?? '',
    item.version ?? '',
    item.problems.length === 0 ? 'fine' : `${item.problems.length} wrong: run \`throughline check\``,
  ]
  printList(invocation, items, head, row, 'No plugin is configured.')
  return items.every((item) => item.problems.length === 0) ? exitCodes.ok : exitCodes.configuration
}

function errorsOf(invocation: Invocation, instance: InstanceConfig, known: PluginDef): readonly string[] {
  const { terminal } = invocation
  return settingsOf(instance, known, terminal.env)
    .problems.filter((item) => item.severity === 'error')
    .map((item) => problemLine(item, terminal.cwd))
}

async function listInstalled(invocation: Invocation): Promise<number> {
  const items = (await installedPlugins()).map(({ use, kind, title }) => ({ use, kind, title: title ?? '' }))
  printList(
    invocation,
    items,
    ['use', 'kind', 'title'],
    (item) => [item.use, item.kind, item.title],
    'None is installed.',
  )
  return exitCodes.ok
}

async function schema(invocation: Invocation): Promise<number> {
  const wanted = argument(invocation, 1, 'the plugin', 'plugin schema <use>')
  const installed = await installedPlugins()
  const byUse = installed.find((item) => item.use === wanted)
  if (byUse !== undefined) return printSchema(invocation, byUse.schema)
  const config = loadForCommand(invocation)
  const known = allInstances(config)
  const instance = known.find((item) => item.id === wanted || item.use === wanted)
  if (instance === undefined) {
    const names = [...installed.map((item) => item.use), ...known.map((item) => item.id)]
    throw new UsageError(
      `unknown plugin "${wanted}"${didYouMean(wanted, names)}: \`throughline plugin list\` shows them`,
    )
  }
  const found = await loadDefinition(instance, config.file)
  if (!found.ok) throw new ThroughlineError(found.code, found.message)
  return printSchema(invocation, found.plugin.config)
}

function printSchema({ terminal }: Invocation, config: object): number {
  terminal.out(JSON.stringify(closeObjects(config as SchemaNode), null, 2))
  return exitCodes.ok
}

async function doctor(invocation: Invocation): Promise<number> {
  const { terminal, positionals } = invocation
  const config = loadForCommand(invocation)
  const chosen = positionals[1] === undefined ? allInstances(config) : [instanceNamed(config, positionals[1])]
  const items: (Proof & { readonly id: string })[] = []
  for (const instance of chosen) {
    const result = await provePlugin(instance, config, terminal)
    items.push({ id: instance.id, ...result, detail: redact(result.detail, config.secrets) })
  }
  const state = (ok: boolean | null): string => (ok === null ? '-' : ok ? 'ok' : 'FAIL')
  const row = (item: (typeof items)[number]): readonly string[] => [item.id, state(item.ok), item.detail]
  printList(invocation, items, ['id', 'check', 'detail'], row, 'No plugin is configured.')
  return items.some((item) => item.ok === false) ? exitCodes.failed : exitCodes.ok
}

async function runSimulation(invocation: Invocation): Promise<number> {
  const { terminal, options } = invocation
  const usage = 'plugin simulate <channel> <payload-file>'
  const id = argument(invocation, 1, 'the channel', usage)
  const path = argument(invocation, 2, 'the file with the payload', usage)
  const config = loadForCommand(invocation)
  const channels = config.channels.map((item) => item.id)
  const instance = config.channels.find((item) => item.id === id)
  if (instance === undefined) {
    throw new UsageError(`unknown channel "${id}"${didYouMean(id, channels)}: use one of ${channels.join(', ')}`)
  }
  const body = await readFile(resolve(terminal.cwd, path)).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new UsageError(`cannot read the payload ${path} (${code}): check the path`)
  })
  const result = await simulate({
    instance,
    config,
    env: terminal.env,
    cwd: terminal.cwd,
    body,
    sign: options['sign'] === true,
    headers: headerOf(options['header']),
    now: Date.now(),
  })
  terminal.out(redact(JSON.stringify(result, null, 2), config.secrets))
  return result.verification === 'ok' && result.error === null ? exitCodes.ok : exitCodes.failed
}

function headerOf(text: string | boolean | undefined): Readonly<Record<string, string>> {
  if (typeof text !== 'string') return {}
  const at = text.indexOf(':')
  if (at < 1) throw new UsageError('a header is written as "name: value": correct --header')
  return { [text.slice(0, at).trim().toLowerCase()]: text.slice(at + 1).trim() }
}

function instanceNamed(config: Config, id: string): InstanceConfig {
  const known = allInstances(config)
  const found = known.find((item) => item.id === id)
  if (found !== undefined) return found
  const names = known.map((item) => item.id)
  throw new UsageError(`unknown instance "${id}"${didYouMean(id, names)}: \`throughline plugin list\` shows them`)
}

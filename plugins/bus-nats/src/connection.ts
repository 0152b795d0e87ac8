import {
  connect,
  credsAuthenticator,
  errors,
  type ConnectionOptions,
  type NatsConnection,
} from '@nats-io/transport-node'
import { PluginError } from '@throughline/plugin-sdk'
import type { NatsConfig } from './config.js'

const CONNECT_MS = 5_000
/** A connection that died silently is noticed after two of these. */
const PING_MS = 10_000

export function optionsOf(config: NatsConfig, name: string): ConnectionOptions {
  return {
    servers: config.servers.split(','),
    name,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    // Once connected, the client finds its way back by itself, for ever and with jitter.
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    // The servers a cluster gossips about may not be reachable from here; the configured ones are.
    ignoreClusterUpdates: true,
    ...(config.token === undefined ? {} : { token: config.token }),
    ...(config.user === undefined ? {} : { user: config.user }),
    ...(config.password === undefined ? {} : { pass: config.password }),
    ...(config.credentials === undefined
      ? {}
      : { authenticator: credsAuthenticator(new TextEncoder().encode(config.credentials)) }),
    ...(config.tls ? { tls: config.caFile === undefined ? {} : { caFile: config.caFile } } : {}),
  }
}

/** One attempt. Fails as PluginError: `auth` for refused credentials, else `retryable`. */
export async function open(config: NatsConfig, name: string): Promise<NatsConnection> {
  try {
    return await connect(optionsOf(config, name))
  } catch (error) {
    throw asPluginError(error)
  }
}

export function asPluginError(error: unknown): PluginError {
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return new PluginError('auth', 'NATS refuses the credentials', { cause: error })
  }
  return new PluginError('retryable', 'NATS cannot be reached', { cause: error })
}

import 'reflect-metadata'
import { container as root, type DependencyContainer, type InjectionToken } from 'tsyringe'

/** A typed name of a service. Two tokens of one name are two services. */
export interface Token<T> {
  readonly name: string
  readonly key: InjectionToken<T>
}

export function token<T>(name: string): Token<T> {
  return Object.freeze({ name, key: Symbol(name) })
}

export interface Container {
  /**
   * Builds the service at once, in the order of the calls: what it needs is registered before it. `stop` is called in
   * reverse order by `Container.stop`.
   */
  register<T>(name: Token<T>, build: (container: Container) => T, stop?: (service: T) => Promise<void> | void): T
  get<T>(name: Token<T>): T
  /** Stops the services last in, first out, each at most once; failures are collected, not thrown half-way. */
  stop(): Promise<readonly Error[]>
}

/** The one place that knows tsyringe. Instances only: no decorators, no lazy factories, no surprises in the order. */
export function createContainer(): Container {
  const inner: DependencyContainer = root.createChildContainer()
  const stops: { readonly name: string; readonly stop: () => Promise<void> | void }[] = []
  const self: Container = Object.freeze({
    register(name, build, stop) {
      if (inner.isRegistered(name.key)) throw new TypeError(`${name.name} is registered twice`)
      const service = build(self)
      inner.registerInstance(name.key, service)
      if (stop) stops.push({ name: name.name, stop: () => stop(service) })
      return service
    },
    get(name) {
      if (!inner.isRegistered(name.key)) throw new TypeError(`${name.name} is needed before it is registered`)
      return inner.resolve(name.key)
    },
    async stop() {
      const failures: Error[] = []
      for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
        try {
          await next.stop()
        } catch (cause) {
          failures.push(new Error(`${next.name} did not stop cleanly`, { cause }))
        }
      }
      return failures
    },
  } satisfies Container)
  return self
}

/** The type of `given`: what may be undefined becomes optional. */
export type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** A copy without the fields that are undefined: an event says only what the other system said. */
export function given<const T extends object>(fields: T): Given<T> {
  const copy: Record<string, unknown> = {}
  for (const key in fields) if (fields[key] !== undefined) copy[key] = fields[key]
  return copy as Given<T>
}

/** The part of the engine's logger the store needs; pino fits. Fields never hold URLs with passwords or customers' text. */
export interface StoreLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** A command that was refused, with the code of the catalogue; `details` is the frame as it came. */
export class AgentClientError extends Error {
  override readonly name = 'AgentClientError'
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.details = details
  }
}

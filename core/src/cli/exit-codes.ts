/** Exit codes of every command (sysexits.h where one fits). */
export const exitCodes = Object.freeze({ ok: 0, failed: 1, usage: 64, unavailable: 69, configuration: 78 } as const)

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

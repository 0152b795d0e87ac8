import type { HttpOptions } from '@throughline/plugin-sdk'

/** The bytes of a request body and the header that names their type. */
export async function httpBody(
  options: HttpOptions,
): Promise<{ readonly body: Uint8Array | undefined; readonly headers: Readonly<Record<string, string>> }> {
  if (options.json !== undefined) return of(JSON.stringify(options.json), 'application/json')
  if (options.form !== undefined)
    return of(new URLSearchParams(options.form).toString(), 'application/x-www-form-urlencoded')
  if (options.multipart !== undefined) {
    const encoded = new Response(options.multipart)
    return of(new Uint8Array(await encoded.arrayBuffer()), encoded.headers.get('content-type') ?? 'multipart/form-data')
  }
  if (options.body === undefined) return { body: undefined, headers: {} }
  return { body: bytes(options.body), headers: {} }
}

function of(body: string | Uint8Array, type: string): { body: Uint8Array; headers: Record<string, string> } {
  return { body: bytes(body), headers: { 'content-type': type } }
}

function bytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}

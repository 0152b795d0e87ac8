import { request } from 'node:http'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** One request exactly as given: no content type of its own, header lines repeated where a list is given. */
export function rawRequest(
  url: string,
  options: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
    readonly body?: Uint8Array | string
  } = {},
): Promise<RawAnswer> {
  const body = Buffer.from(options.body ?? '')
  const { origin } = new URL(url)
  // Taken from the text, because a URL would tidy the path up.
  const path = url.slice(origin.length)
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ]),
  )
  return new Promise((resolve, reject) => {
    const sent = request(
      origin,
      {
        path,
        method: options.method ?? 'POST',
        headers: { 'content-length': String(body.length), ...headers },
        agent: false,
        timeout: 20_000,
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        )
        answer.on('error', reject)
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer within 20 s: ${path}`)))
    sent.on('error', reject)
    sent.end(body)
  })
}

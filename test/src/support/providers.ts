import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestWithTeardown } from './engine.js'

/** One request a fake provider got. */
export interface ProviderCall {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: any
}

export interface FakeProvider {
  readonly url: string
  /** Everything it was asked, in order of arrival: its own ledger. */
  readonly calls: readonly ProviderCall[]
}

/** An HTTP server on this host that answers as told and writes down what it was asked. */
export async function fakeProvider(
  t: TestWithTeardown,
  answer: (call: ProviderCall, count: number) => { readonly status: number; readonly body: unknown },
): Promise<FakeProvider> {
  const calls: ProviderCall[] = []
  const server: Server = createServer((request, response) => {
    readAll(request).then(
      (text) => {
        const body: unknown = text === '' ? null : JSON.parse(text)
        const call = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
        calls.push(call)
        const { status, body: reply } = answer(call, calls.length)
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

export interface FakeGraph extends FakeProvider {
  /** Texts sent to customers, in order, with the number they went to. */
  texts(): readonly { readonly to: string; readonly text: string }[]
}

/** The part of Meta's Graph API that the WhatsApp channel uses to send and to prove itself. */
export async function fakeGraph(t: TestWithTeardown): Promise<FakeGraph> {
  const provider = await fakeProvider(t, (call, count) => {
    if (call.method === 'GET') return { status: 200, body: { display_phone_number: '+49 30 5550000', id: '4711' } }
    const { to } = call.body as { to?: string }
    return {
      status: 200,
      body: {
        messaging_product: 'whatsapp',
        contacts: [{ input: to, wa_id: to }],
        messages: [{ id: `wamid.OUT${count}` }],
      },
    }
  })
  return {
    ...provider,
    texts: () =>
      provider.calls
        .filter((call) => call.method === 'POST' && call.body?.type === 'text')
        .map((call) => ({ to: String(call.body.to), text: String(call.body.text.body) })),
  }
}

/** A text message as WhatsApp's webhook brings it. `from`: digits of the sender's number. */
export function whatsAppText(message: {
  readonly phoneNumberId: string
  readonly from: string
  readonly id: string
  readonly text: string
  readonly name?: string
  readonly at?: number
}): object {
  return {
    object: 'whatsapp_business_account',
    entry: [
      {
        id: '102290129340398',
        changes: [
          {
            field: 'messages',
            value: {
              messaging_product: 'whatsapp',
              metadata: { display_phone_number: '49305550000', phone_number_id: message.phoneNumberId },
              contacts: [{ profile: { name: message.name ?? 'Rosa' }, wa_id: message.from }],
              messages: [
                {
                  from: message.from,
                  id: message.id,
                  timestamp: String(Math.floor((message.at ?? Date.now()) / 1000)),
                  type: 'text',
                  text: { body: message.text },
                },
              ],
            },
          },
        ],
      },
    ],
  }
}

import { type AddressInfo, createServer, type Socket } from 'node:net'

export type StoredMail = { readonly uid: number; readonly raw: Buffer; readonly date: string }

const NOW = '01-Nov-2026 00:00:00 +0000'

/** As much of an IMAP server as a reader needs: one folder, UIDs, IDLE, untagged EXISTS. */
export class ImapServer {
  uidValidity = 7
  mails: StoredMail[] = []
  password = 'right'
  idle = true
  readonly commands: string[] = []
  #sockets = new Set<Socket>()
  #idling = new Map<Socket, string>()
  #waiting: { readonly match: RegExp; readonly resolve: () => void }[] = []
  #server = createServer((socket) => this.#serve(socket))

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  close(): Promise<void> {
    this.dropAll()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** A mail arrives; who idles is told. */
  deliver(raw: Buffer, options: { readonly announce?: boolean; readonly date?: string } = {}): void {
    const uid = (this.mails.at(-1)?.uid ?? 100) + 1
    this.mails.push({ uid, raw, date: options.date ?? NOW })
    if (options.announce === false) return
    for (const socket of this.#idling.keys()) socket.write(`* ${this.mails.length} EXISTS\r\n`)
  }

  /** Resolves when a command that fits has come. */
  seen(match: RegExp): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ match, resolve }))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#idling.delete(socket)
    })
    socket.write('* OK ready\r\n')
    let buffer = ''
    socket.on('data', (data) => {
      buffer += data.toString('latin1')
      for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, end)
        buffer = buffer.slice(end + 2)
        this.#command(socket, line)
      }
    })
  }

  #command(socket: Socket, line: string): void {
    const idleTag = this.#idling.get(socket)
    if (line === 'DONE' && idleTag !== undefined) {
      this.#idling.delete(socket)
      socket.write(`${idleTag} OK done\r\n`)
      return
    }
    const [tag = '', ...words] = line.split(' ')
    const command = words.join(' ')
    this.commands.push(command)
    const say = (...lines: readonly string[]) => socket.write([...lines, `${tag} OK done`].join('\r\n') + '\r\n')
    if (/^CAPABILITY/i.test(command)) say(`* CAPABILITY IMAP4rev1${this.idle ? ' IDLE' : ''}`)
    else if (/^LOGIN/i.test(command)) {
      if (command.includes(this.password)) say()
      else socket.write(`${tag} NO [AUTHENTICATIONFAILED] wrong\r\n`)
    } else if (/^LIST "" ""$/i.test(command)) say('* LIST (\\Noselect) "/" ""')
    else if (/^(LIST|LSUB)/i.test(command)) {
      if (/INBOX"?$/.test(command)) say('* LIST () "/" "INBOX"')
      else say()
    } else if (/^(EXAMINE|SELECT)/i.test(command)) {
      const next = (this.mails.at(-1)?.uid ?? 100) + 1
      if (/ "?INBOX"?$/.test(command))
        say(
          '* FLAGS (\\Seen)',
          `* ${this.mails.length} EXISTS`,
          `* OK [UIDVALIDITY ${this.uidValidity}] ok`,
          `* OK [UIDNEXT ${next}] ok`,
        )
      else socket.write(`${tag} NO [NONEXISTENT] no such folder\r\n`)
    } else if (/^UID SEARCH/i.test(command)) say(`* SEARCH ${this.#search(command).join(' ')}`.trimEnd())
    else if (/^UID FETCH/i.test(command)) this.#fetch(socket, tag, command)
    else if (/^IDLE/i.test(command)) {
      this.#idling.set(socket, tag)
      socket.write('+ idling\r\n')
    } else if (/^LOGOUT/i.test(command)) {
      socket.end(`* BYE\r\n${tag} OK done\r\n`)
    } else if (/^NOOP/i.test(command)) say(`* ${this.mails.length} EXISTS`)
    else say()
    this.#waiting = this.#waiting.filter(({ match, resolve }) => {
      if (!match.test(command)) return true
      resolve()
      return false
    })
  }

  /** `n:*` means at least the last message, as the standard says. */
  #search(command: string): readonly number[] {
    const from = Number(/(\d+):\*/.exec(command)?.[1] ?? 1)
    const found = this.mails.filter(({ uid }) => uid >= from).map(({ uid }) => uid)
    const last = this.mails.at(-1)
    return found.length === 0 && last !== undefined ? [last.uid] : found
  }

  #fetch(socket: Socket, tag: string, command: string): void {
    const uid = Number(/UID FETCH (\d+)/i.exec(command)?.[1])
    const index = this.mails.findIndex((mail) => mail.uid === uid)
    const mail = this.mails[index]
    if (mail !== undefined) {
      const partial = /BODY\.PEEK\[\]<(\d+)\.(\d+)>/i.exec(command)
      const items = [`UID ${uid}`]
      if (/INTERNALDATE/i.test(command)) items.push(`INTERNALDATE "${mail.date}"`)
      if (/RFC822\.SIZE/i.test(command)) items.push(`RFC822.SIZE ${mail.raw.length}`)
      socket.write(`* ${index + 1} FETCH (${items.join(' ')}`)
      if (/BODY\.PEEK\[\]/i.test(command)) {
        const bytes =
          partial === null ? mail.raw : mail.raw.subarray(Number(partial[1]), Number(partial[1]) + Number(partial[2]))
        socket.write(` BODY[]${partial === null ? '' : `<${partial[1]}>`} {${bytes.length}}\r\n`)
        socket.write(bytes)
      }
      socket.write(')\r\n')
    }
    socket.write(`${tag} OK done\r\n`)
  }
}

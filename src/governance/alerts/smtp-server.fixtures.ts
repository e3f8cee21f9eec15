/** A mail server of one page: greets, offers what it is told to, takes messages and remembers them (RFC 5321, RFC 3207, RFC 4954). */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly text: string
  /** TLS protocol that it came over; null in clear. */
  readonly protocol: string | null
  readonly login: string | null
}

export interface SmtpOptions {
  readonly key: string
  readonly cert: string
  readonly implicitTls?: boolean
  readonly offersStartTls?: boolean
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Answers to `MAIL FROM` in place of 250. */
  readonly refusesMail?: string
  readonly rejects?: string
}

export async function startSmtpServer(
  options: SmtpOptions,
): Promise<{ port: number; mails: readonly Mail[]; commands: readonly string[]; close(): Promise<void> }> {
  const mails: Mail[] = []
  const commands: string[] = []
  const sockets = new Set<Socket>()
  const secureContext = createSecureContext({ key: options.key, cert: options.cert, maxVersion: options.maxVersion ?? 'TLSv1.3' })
  const secured = (socket: Socket): TLSSocket => new TLSSocket(socket, { isServer: true, secureContext })

  const serve = (socket: Socket, greet: boolean): void => {
    socket.on('error', () => undefined)
    const say = (line: string): void => void socket.write(`${line}\r\n`)
    const protocol = socket instanceof TLSSocket ? socket.getProtocol.bind(socket) : () => null
    let from = ''
    let to: string[] = []
    let login: string | null = null
    let data: string[] | null = null
    let rest = ''
    const command = (line: string): void => {
      commands.push(line)
      const verb = line.slice(0, 4).toUpperCase()
      if (verb === 'EHLO') {
        const offers = options.offersStartTls !== false && protocol() === null ? ['250-STARTTLS'] : []
        for (const offer of ['250-test', ...offers, '250 AUTH PLAIN']) say(offer)
      } else if (verb === 'STAR' && options.offersStartTls !== false) {
        say('220 go on')
        socket.removeAllListeners('data')
        serve(secured(socket), false)
      } else if (verb === 'AUTH') {
        login = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString('utf8')
        say('235 ok')
      } else if (verb === 'MAIL') {
        from = /<(.*?)>/.exec(line)?.[1] ?? ''
        say(options.refusesMail ?? '250 ok')
      } else if (verb === 'RCPT') {
        const recipient = /<(.*?)>/.exec(line)?.[1] ?? ''
        if (recipient !== options.rejects) to.push(recipient)
        say(recipient === options.rejects ? `550 no mailbox of ${recipient}` : '250 ok')
      } else if (verb === 'DATA') {
        data = []
        say('354 go on')
      } else if (verb === 'QUIT') {
        say('221 bye')
        socket.end()
      } else say('502 no')
    }
    socket.setEncoding('utf8').on('data', (part: string) => {
      const lines = (rest + part).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines)
        if (data === null) command(line)
        else if (line !== '.') data.push(line)
        else {
          mails.push({ from, to, text: data.join('\n'), protocol: protocol(), login })
          data = null
          to = []
          say('250 taken')
        }
    })
    if (greet) say('220 test ESMTP')
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(options.implicitTls === true ? secured(socket) : socket, true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    mails,
    commands,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

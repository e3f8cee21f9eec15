import { connect, type Socket } from 'node:net'

const TIMEOUT_MS = 5_000
/** A greeting and an answer to EHLO are a few hundred bytes. */
const MAX_BYTES = 16_384

/**
 * Speaks SMTP up to the point where TLS begins, and no further: nothing of ours is said.
 * @returns the socket, or in one sentence why TLS does not begin.
 * @see RFC 3207 §4
 */
export function startTls(host: string, port: number): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS })
    const said = ['EHLO redoubt.invalid\r\n', 'STARTTLS\r\n']
    let received = ''
    const end = (result: Socket | string): void => {
      clearTimeout(deadline)
      socket.removeAllListeners()
      if (typeof result === 'string') socket.on('error', () => undefined).destroy()
      resolve(result)
    }
    const deadline = setTimeout(() => end('no answer'), TIMEOUT_MS)
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
    socket.once('close', () => end('the connection was closed'))
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (received.length > MAX_BYTES) return end('the mail server says too much')
      // The last line of an answer has a space behind its code.
      const answer = /^(\d{3}) [^\n]*\n$/m.exec(received)
      if (answer === null) return
      if (!answer[1]!.startsWith('2')) return end(`the mail server answers ${answer[1]}`)
      if (said.length === 1 && !/^250[ -]STARTTLS\b/im.test(received)) return end('the mail server offers no STARTTLS')
      received = ''
      const next = said.shift()
      if (next === undefined) return end(socket)
      socket.write(next)
    })
  })
}

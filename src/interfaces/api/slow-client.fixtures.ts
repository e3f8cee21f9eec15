/** Clients that ask, and read nothing of the answer. */
import { connect, type Socket } from 'node:net'
import { TOKEN } from './rooms.fixtures.ts'

export class SlowClients {
  readonly #sockets: Socket[] = []

  /** @param path below `/api/v1`. */
  standStill(url: string, method: 'GET' | 'POST', path: string): Socket {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.#sockets.push(socket)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(`${method} /api/v1${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${TOKEN}\r\ncontent-length: 0\r\n\r\n`)
    return socket
  }

  hangUp(): void {
    this.#sockets.splice(0).forEach((socket) => socket.destroy())
  }
}

/** Half a second between two questions whether an answer may go on, and as much for a busy machine. */
export const WITHIN_MS = 1_000

export async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5))
}

import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { asRedoubtError, type Clock, parseStrictJsonText, problemOf, RedoubtError } from '#foundation/core'
import { createCertificateAuthority, issueServerCertificate } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import { UNSEAL_SOCKET } from '#interfaces/commands'
import type { ShareCollector } from '#trust/keys'
import type { Configuration } from './configuration.ts'
import type { DataDirectory } from './data-directory.ts'
import { listen } from './listener.ts'

const MAX_LINE_BYTES = 1_024
const LINE_TIMEOUT_MS = 10_000
const MAX_HOLDERS_AT_ONCE = 8
/** What the operating system takes as the name of a socket. */
const MAX_SOCKET_PATH = 107

export interface UnsealingOptions {
  readonly collector: ShareCollector
  readonly directory: DataDirectory
  readonly server: Configuration['server']
  readonly clock: Clock
  readonly logger: Logger
  readonly warn: (message: string) => void
  /** Ends the waiting. */
  readonly stop: AbortSignal | undefined
}

/**
 * Waits, sealed, until enough holders have given their shares, each over a socket in the data directory that only the server's own user may
 * open: not over the network, for without its keys the server has no certificate by which a holder could know it. Meanwhile the port says on
 * `/readyz` that the server is sealed, under a certificate that is worth nothing and ends with the waiting.
 * @returns the secret that opens the keyring.
 * @throws {RedoubtError} `ERR_DRAINING` when stopped, `ERR_CONFIG_INVALID` when it cannot listen.
 */
export async function unsealed(options: UnsealingOptions): Promise<Uint8Array> {
  const { collector, directory, warn, stop } = options
  const path = directory.at(UNSEAL_SOCKET)
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH)
    throw new RedoubtError('ERR_CONFIG_INVALID', `\`${path}\` is too long for a socket; choose a shorter data directory`)
  const face = await sealedFace(options)
  const opened = Promise.withResolvers<Uint8Array>()
  const abort = (): void => opened.reject(new RedoubtError('ERR_DRAINING', 'the server was stopped while it was sealed'))
  stop?.addEventListener('abort', abort)
  const server = createServer((socket) => void serveHolder(socket, collector, opened.resolve))
  server.maxConnections = MAX_HOLDERS_AT_ONCE
  try {
    // Whoever holds the data directory is the only server on it: what lies there is left over.
    rmSync(path, { force: true })
    await listening(server, path)
    if (stop?.aborted === true) abort()
    warn(`sealed: ${collector.state().threshold} holders of shares each run \`redoubt keys unseal\` on this host`)
    return await opened.promise
  } finally {
    stop?.removeEventListener('abort', abort)
    server.close()
    rmSync(path, { force: true })
    await face.close(0, () => undefined)
  }
}

/** One holder: a line with a share, a line with the state of things. */
async function serveHolder(socket: Socket, collector: ShareCollector, open: (secret: Uint8Array) => void): Promise<void> {
  socket.setTimeout(LINE_TIMEOUT_MS, () => socket.destroy())
  socket.on('error', () => undefined)
  try {
    const { share } = parseStrictJsonText(await lineOf(socket), { maxBytes: MAX_LINE_BYTES, maxDepth: 2 }) as { share?: unknown }
    const secret = await collector.add(typeof share === 'string' ? share : '')
    socket.end(`${JSON.stringify({ ...collector.state(), open: secret !== null })}\n`)
    if (secret !== null) open(secret)
  } catch (thrown) {
    socket.end(`${JSON.stringify({ error: problemOf(asRedoubtError(thrown), '') })}\n`)
  }
}

async function lineOf(socket: Socket): Promise<string> {
  let text = ''
  for await (const part of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += part.toString('latin1')
    if (text.length > MAX_LINE_BYTES) break
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'))
  }
  throw new RedoubtError('ERR_INPUT_TOO_LARGE', 'a share is one line')
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new RedoubtError('ERR_CONFIG_INVALID', `cannot listen on \`${path}\` (${cause.code ?? 'unknown error'})`, { cause })),
    )
    server.listen(path, () => {
      // The data directory is its owner's alone, so nobody came before this.
      chmodSync(path, 0o600)
      resolve()
    })
  })
}

/** The server's port while it is sealed. */
async function sealedFace({ collector, server, clock, logger }: UnsealingOptions): ReturnType<typeof listen> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = clock.now()
  const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'sealed', now })
  return listen({
    ...server,
    clock,
    logger,
    certificates: {
      authorityPem,
      issue: () =>
        issueServerCertificate({
          authorityPem,
          authorityKey: privateKey,
          dnsNames: ['sealed.invalid'],
          ipAddresses: [],
          spiffeId: 'spiffe://redoubt/sealed',
          now,
        }),
    },
    handle({ url }, response) {
      const { given, threshold } = collector.state()
      if (url === '/livez') response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end('ok\n')
      else if (url === '/readyz')
        response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8' }).end(`sealed ${given} of ${threshold} ERR_KEYS_SEALED\n`)
      else
        response
          .writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '60' })
          .end(JSON.stringify(problemOf(new RedoubtError('ERR_KEYS_SEALED'), '')))
    },
  })
}

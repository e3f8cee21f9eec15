/**
 * The yardstick: node:https and undici `pool.stream`, passing bytes through without looking at them.
 * `node bench/pass-through.ts --upstream URL [--key FILE --cert FILE] [--ca FILE]` prints `{"port":…}` and serves until it is killed.
 */
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSecureContext } from 'node:tls'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'

const KEEP_ALIVE_MS = 60_000

const { values } = parseArgs({
  options: { upstream: { type: 'string' }, key: { type: 'string' }, cert: { type: 'string' }, ca: { type: 'string' } },
})
if (values.upstream === undefined) throw new Error('--upstream is missing')

const ca = values.ca === undefined ? {} : { ca: readFileSync(values.ca) }
const pool = new Pool(values.upstream, {
  connections: 256,
  pipelining: 1,
  allowH2: false,
  connect: values.upstream.startsWith('https:') ? { secureContext: createSecureContext({ minVersion: 'TLSv1.3', ...ca }) } : {},
})

function pass(req: IncomingMessage, res: ServerResponse): void {
  pool
    .stream(
      { method: 'POST', path: req.url ?? '/', headers: { 'content-type': req.headers['content-type'] ?? '' }, body: req },
      ({ statusCode, headers }) => {
        res.writeHead(statusCode, { 'content-type': headers['content-type'] as string })
        return res
      },
    )
    .catch(() => res.destroy())
}

const server =
  values.key !== undefined && values.cert !== undefined
    ? createHttpsServer({ key: readFileSync(values.key), cert: readFileSync(values.cert), minVersion: 'TLSv1.3' }, pass)
    : createHttpServer(pass)
server.keepAliveTimeout = KEEP_ALIVE_MS
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port, pid: process.pid }))
})

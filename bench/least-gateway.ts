/**
 * The least that a gateway of this kind takes on Node: TLS in, the body collected and parsed strictly, a record on disk, the body written
 * anew and sent to the upstream, the answer parsed strictly and written anew, a second record on disk, TLS out. Nobody is asked who they
 * are, nothing is decided, counted, limited or searched, and the records are one line each in a plain file, synced for a whole group.
 * Answers JSON alone.
 * `node bench/least-gateway.ts --upstream URL --key FILE --cert FILE --ca FILE --log FILE` prints `{"port":…}` and serves until it is killed.
 */
import { hash } from 'node:crypto'
import { fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSecureContext } from 'node:tls'
import { parseArgs } from 'node:util'
import { parseStrictJson } from '#foundation/core'
import { Pool } from 'undici'

const KEEP_ALIVE_MS = 60_000
const BOUNDS = { maxBytes: 1024 * 1024, maxDepth: 64 }
/** Written over and over, as a preallocated segment is. */
const LOG_BYTES = 4 * 1024 * 1024
/** As the log of the real one: while each turn of the event loop brings another record, and no longer than this. */
const LONGEST_WAIT_MS = 1

const { values } = parseArgs({
  options: {
    upstream: { type: 'string' },
    key: { type: 'string' },
    cert: { type: 'string' },
    ca: { type: 'string' },
    log: { type: 'string' },
  },
})
const option = (name: 'upstream' | 'key' | 'cert' | 'ca' | 'log'): string => {
  const value = values[name]
  if (value === undefined) throw new Error(`--${name} is missing`)
  return value
}

const pool = new Pool(option('upstream'), {
  connections: 256,
  pipelining: 1,
  allowH2: false,
  connect: { secureContext: createSecureContext({ minVersion: 'TLSv1.3', ca: readFileSync(option('ca')) }) },
})
const headers = ['content-type', 'application/json', 'accept', 'application/json']

const log = openSync(option('log'), 'w+')
writeSync(log, Buffer.alloc(LOG_BYTES), 0, LOG_BYTES, 0)
fdatasyncSync(log)
let position = 0
let lines: string[] = []
let written: (() => void)[] = []
let waitingSince = 0
let counted = 0
let usual = 0
let turns = 0

function record(line: string, then: () => void): void {
  lines.push(line)
  written.push(then)
  if (lines.length > 1) return
  waitingSince = performance.now()
  counted = 1
  turns = 0
  setImmediate(commitWhenDue)
}

function commitWhenDue(): void {
  const records = lines.length
  const more = records > counted || turns++ === 0
  if (more && records < 2 * usual && performance.now() - waitingSince < LONGEST_WAIT_MS) {
    counted = records
    setImmediate(commitWhenDue)
    return
  }
  usual = records === 1 ? 0 : records
  const batch = Buffer.from(lines.join(''))
  const done = written
  lines = []
  written = []
  if (position + batch.byteLength > LOG_BYTES) position = 0
  position += writeSync(log, batch, 0, batch.byteLength, position)
  fdatasyncSync(log)
  for (const then of done) then()
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => void parts.push(part))
  request.on('end', () => {
    const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const asked = JSON.stringify(parseStrictJson(body, BOUNDS))
    record(`{"asked":"${hash('sha256', body)}"}\n`, () => ask(request.url ?? '/', asked, response))
  })
}

function ask(path: string, body: string, response: ServerResponse): void {
  const parts: Buffer[] = []
  pool.dispatch(
    { method: 'POST', path, headers, body },
    {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, status) => void (status === 200 || response.destroy()),
      onResponseData: (_controller, chunk) => void parts.push(chunk),
      onResponseEnd() {
        const answered = JSON.stringify(parseStrictJson(parts.length === 1 ? parts[0]! : Buffer.concat(parts), BOUNDS))
        record(`{"answered":"${hash('sha256', answered)}"}\n`, () => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answered) })
          response.end(answered)
        })
      },
      onResponseError: () => response.destroy(),
    },
  )
}

const server = createServer({ key: readFileSync(option('key')), cert: readFileSync(option('cert')), minVersion: 'TLSv1.3' }, serve)
server.keepAliveTimeout = KEEP_ALIVE_MS
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port, pid: process.pid }))
})

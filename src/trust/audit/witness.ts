import { hash, type KeyObject } from 'node:crypto'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Clock, RedoubtError } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { type Checkpoint, isSignedBy, parseCheckpoint } from './checkpoint.ts'
import { cosign, createCosigner } from './cosignature.ts'
import { emptyRoot, HASH_BYTES, sameHash } from './merkle-hash.ts'
import { formatVerifierKey, parseVerifierKey, strictBase64 } from './signed-note.ts'
import { verifyConsistency } from './verify-merkle.ts'

export interface WitnessOptions {
  /** Where the latest cosigned checkpoint of each log is kept. Nobody else may write there. */
  readonly folder: DurableFolder
  /** Name of the witness in its cosignatures: a schema-less URL. */
  readonly name: string
  /** Ed25519 and, beside it or alone, ML-DSA-44. */
  readonly keys: readonly { readonly privateKey: KeyObject; readonly publicKey: KeyObject }[]
  /** Verifier keys of the logs it follows; the name of a key is the origin of its log. */
  readonly logs: readonly string[]
  readonly clock: Clock
  readonly host?: string
  /** 0 takes any free port. */
  readonly port?: number
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface Witness {
  readonly url: string
  readonly verifierKeys: readonly string[]
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: string
  readonly type?: string
}

/** 63 proof lines of 45 bytes and a note with many post-quantum cosignatures. */
const MAX_REQUEST_BYTES = 131_072
const MAX_PROOF_LINES = 63
const REQUEST_TIMEOUT_MS = 10_000

/**
 * A C2SP tlog-witness: cosigns the checkpoints of the logs it follows if, and only if, each extends the one before.
 * It holds no entry and no secret of the log. State is durable before the answer leaves, and check and update happen in
 * one turn of the loop, so that no race can roll a log back.
 */
export async function startWitness(options: WitnessOptions): Promise<Witness> {
  const logs = new Map(options.logs.map(parseVerifierKey).map((key) => [key.name, key]))
  const cosigners = options.keys.map(({ privateKey, publicKey }) => createCosigner(options.name, privateKey, publicKey))
  if (cosigners.length === 0) throw new RedoubtError('ERR_CONFIG_INVALID', 'a witness needs a key')

  const add = (body: string): Answer => {
    const submission = parseSubmission(body)
    if (submission === null) return { status: 400, body: 'the request is not well-formed\n' }
    const { oldSize, proof, checkpoint } = submission
    const key = logs.get(checkpoint.origin)
    if (key === undefined) return { status: 404, body: 'the log is not known here\n' }
    if (!isSignedBy(checkpoint, key)) return { status: 403, body: 'the checkpoint is not signed by a trusted key\n' }
    if (oldSize > checkpoint.size) return { status: 400, body: 'the old size is larger than the checkpoint\n' }
    const path = hash('sha256', checkpoint.origin, 'hex')
    const last = lastCosigned(options.folder, path)
    const lastSize = last?.size ?? 0
    if (oldSize !== lastSize) return { status: 409, body: `${lastSize}\n`, type: 'text/x.tlog.size' }
    const lastRoot = last?.root ?? emptyRoot()
    if (checkpoint.size === lastSize) {
      if (!sameHash(checkpoint.root, lastRoot)) return { status: 409, body: `${lastSize}\n`, type: 'text/x.tlog.size' }
      if (proof.length > 0) return { status: 422, body: 'the consistency proof does not verify\n' }
    } else if (oldSize === 0) {
      if (proof.length > 0) return { status: 422, body: 'the consistency proof does not verify\n' }
    } else if (!verifyConsistency({ size1: oldSize, size2: checkpoint.size, root1: lastRoot, root2: checkpoint.root, proof })) {
      return { status: 422, body: 'the consistency proof does not verify\n' }
    }
    const lines = cosigners.map((cosigner) => cosign(checkpoint, cosigner, options.clock.now())).join('')
    replaceFile(options.folder, path, Buffer.from(submission.note))
    return { status: 200, body: lines }
  }

  const handle: RequestListener = (request, response) => {
    respond(request, add).then(
      (answer) => finish(response, answer),
      () => finish(response, { status: 500, body: 'the checkpoint could not be stored\n' }),
    )
  }
  const server = options.tls ? createHttpsServer({ ...options.tls, minVersion: 'TLSv1.3' }, handle) : createHttpServer(handle)
  server.requestTimeout = REQUEST_TIMEOUT_MS
  const host = options.host ?? '127.0.0.1'
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${options.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}/`,
    verifierKeys: cosigners.map(({ key }) => formatVerifierKey(key)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(request: IncomingMessage, add: (body: string) => Answer): Promise<Answer> {
  if (request.url !== '/add-checkpoint') return { status: 404, body: 'there is no such endpoint\n' }
  if (request.method !== 'POST') return { status: 405, body: 'the endpoint takes POST\n' }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > MAX_REQUEST_BYTES) return { status: 413, body: 'the request is too large\n' }
    chunks.push(chunk)
  }
  return add(Buffer.concat(chunks).toString())
}

function finish(response: ServerResponse, { status, body, type }: Answer): void {
  if (status === 413) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': type ?? 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

interface Submission {
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
  readonly note: string
  readonly checkpoint: Checkpoint
}

/** Old size line, at most 63 proof lines, an empty line, the checkpoint. @returns null for anything else. */
export function parseSubmission(body: string): Submission | null {
  const split = body.indexOf('\n\n')
  if (split < 0) return null
  const [first = '', ...lines] = body.slice(0, split).split('\n')
  const old = /^old (0|[1-9]\d{0,15})$/.exec(first)
  const oldSize = Number(old?.[1])
  if (!old || !Number.isSafeInteger(oldSize) || lines.length > MAX_PROOF_LINES) return null
  const proof: Uint8Array[] = []
  for (const line of lines) {
    const value = strictBase64(line)
    if (value?.byteLength !== HASH_BYTES) return null
    proof.push(value)
  }
  const note = body.slice(split + 2)
  const checkpoint = parseCheckpoint(note)
  return checkpoint && { oldSize, proof, note, checkpoint }
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT`: a witness that forgot its state must not cosign as if it had none. */
function lastCosigned(folder: DurableFolder, path: string): Checkpoint | null {
  const stored = folder.read(path)
  if (stored === null) return null
  const checkpoint = parseCheckpoint(Buffer.from(stored).toString())
  if (checkpoint === null) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the state of the witness is not well-formed')
  return checkpoint
}

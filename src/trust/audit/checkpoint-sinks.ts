import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { RedoubtError } from '#foundation/core'
import { HYBRID_ONLY, type OutboundTls } from '#foundation/crypto'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { parseCheckpoint } from './checkpoint.ts'
import { verifyCosignature } from './cosignature.ts'
import { parseSignatureLine, parseVerifierKey } from './signed-note.ts'

/** What a sink may ask of the log while it pushes. */
export interface ConsistencySource {
  /** RFC 6962 §2.1.2 proof between two published sizes. */
  consistency(size1: number, size2: number): readonly Uint8Array[]
}

/**
 * A place outside the reach of whoever administers this host. Pushes come one at a time, newest checkpoint first: when a
 * push fails or is slow, older checkpoints are skipped, for a newer one proves more.
 */
export interface CheckpointSink {
  readonly name: string
  /** @returns signature lines of a witness over the note, or nothing. Rejects when the place could not be reached or refused. */
  push(note: string, log: ConsistencySource): Promise<string | void>
  /** The latest checkpoint the place holds, so that a log that was rolled back is noticed when it opens. */
  latest?(): Promise<string | null>
}

/** Keeps the latest checkpoint in a folder, which should lie on another host or medium. Never replaces it by a smaller one. */
export function folderSink(folder: DurableFolder, name = 'folder'): CheckpointSink {
  return {
    name,
    push(note) {
      return Promise.resolve().then(() => {
        const size = parseCheckpoint(note)?.size ?? 0
        const stored = folder.read('checkpoint')
        const known = stored && parseCheckpoint(Buffer.from(stored).toString())
        if (known && known.size > size)
          throw new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', `the outside place holds a larger checkpoint of size ${known.size}`)
        replaceFile(folder, 'checkpoint', Buffer.from(note))
      })
    },
    latest() {
      return Promise.resolve().then(() => {
        const stored = folder.read('checkpoint')
        return stored && Buffer.from(stored).toString()
      })
    },
  }
}

export interface WitnessSinkOptions {
  /** Submission prefix of the witness: `add-checkpoint` is below it. */
  readonly url: string
  /** Verifier keys (cosignature types) of the witness; signatures of other keys are ignored, as the specification asks. */
  readonly verifierKeys: readonly string[]
  /** PEM of the authority of its certificate, if it is a private one. */
  readonly ca?: string
  readonly timeoutMs?: number
  /** What connections to `witness/HOST` are held to; TLS 1.3 with a hybrid group unless given. */
  readonly tls?: OutboundTls
}

const DEFAULT_TIMEOUT_MS = 5_000
const MAX_RESPONSE_BYTES = 65_536

/** C2SP tlog-witness client. */
export function witnessSink(options: WitnessSinkOptions): CheckpointSink {
  const keys = options.verifierKeys.map(parseVerifierKey)
  const name = `witness ${keys[0]?.name ?? options.url}`
  const refused = (message: string): RedoubtError => new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', message)
  let known = 0
  return {
    name,
    async push(note, log) {
      const checkpoint = parseCheckpoint(note)
      if (checkpoint === null) throw refused('the checkpoint is not well-formed')
      // The first answer may tell the size the witness holds; the second attempt starts from it.
      for (let attempt = 0; attempt < 2; attempt++) {
        if (known > checkpoint.size) throw refused(`the witness has cosigned a larger tree of size ${known}`)
        const proof = log.consistency(known, checkpoint.size).map((each) => `${Buffer.from(each).toString('base64')}\n`)
        const answer = await post(options, `old ${known}\n${proof.join('')}\n${note}`)
        if (answer.status === 200) {
          known = checkpoint.size
          const lines = answer.body.split('\n').filter((line) => {
            const signature = parseSignatureLine(line)
            return signature !== null && keys.some((key) => verifyCosignature(checkpoint, signature, key) !== null)
          })
          if (lines.length === 0) throw refused('the witness answered without a cosignature of a known key')
          return lines.map((line) => `${line}\n`).join('')
        }
        const size = /^(0|[1-9]\d{0,15})\n$/.exec(answer.body)
        if (answer.status !== 409 || size === null || Number(size[1]) === known)
          throw refused(`the witness refused the checkpoint with status ${answer.status}`)
        known = Number(size[1])
      }
      throw refused('the witness changed its state while it was asked')
    },
  }
}

function post(options: WitnessSinkOptions, body: string): Promise<{ readonly status: number; readonly body: string }> {
  const url = new URL('add-checkpoint', options.url.endsWith('/') ? options.url : `${options.url}/`)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the witness cannot be reached', { cause }))
    const request = send(
      url,
      {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
        ...(options.ca === undefined ? {} : { ca: options.ca }),
        ...(options.tls ?? HYBRID_ONLY)(`witness/${url.host}`),
        rejectUnauthorized: true,
      },
      (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength
          if (bytes > MAX_RESPONSE_BYTES) request.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
        response.on('error', fail)
      },
    )
    request.on('error', fail)
    request.end(body)
  })
}

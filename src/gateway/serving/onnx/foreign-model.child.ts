import { Socket } from 'node:net'
import { decodeTensors, encodeFrame, encodeTensors, FrameReader, type Frame } from './frames.ts'
import { openSession, type RuntimeSession } from './runtime-session.ts'

/**
 * The process in which a stranger's model runs. It holds no key, no environment and no file but the runtime's own; its one
 * channel is descriptor 3. It answers one request after the other and ends when the channel does.
 */
const CHANNEL = 3
const MAX_REQUEST_BYTES = 512 * 1024 * 1024
const MAX_REASON_LENGTH = 300

const channel = new Socket({ fd: CHANNEL, readable: true, writable: true })
const reader = new FrameReader(MAX_REQUEST_BYTES)
let session: RuntimeSession | null = null
let queue: Promise<void> = Promise.resolve()

channel.on('data', (chunk: Buffer) => {
  for (const frame of reader.push(chunk)) queue = queue.then(() => answer(frame))
})
channel.on('close', () => process.exit(0))
channel.on('error', () => process.exit(1))

async function answer(frame: Frame): Promise<void> {
  const request = frame.header as { readonly load?: boolean; readonly tensors?: unknown }
  try {
    if (request.load) {
      session = await openSession(frame.bytes)
      send({ ok: true, tensors: [] }, [])
      return
    }
    if (!session) throw new TypeError('no model is loaded')
    const { headers, parts } = encodeTensors(await session.run(decodeTensors(request.tensors, frame.bytes)))
    send({ ok: true, tensors: headers }, parts)
  } catch (thrown) {
    send({ ok: false, reason: thrown instanceof Error ? thrown.message.slice(0, MAX_REASON_LENGTH) : '' }, [])
  }
}

function send(header: unknown, parts: readonly Uint8Array[]): void {
  for (const part of encodeFrame(header, parts)) channel.write(part)
}

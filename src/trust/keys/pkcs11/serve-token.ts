import type { Duplex } from 'node:stream'
import type { Cryptoki } from './cryptoki.ts'
import { encodeFrame, type Frame, FrameReader } from './frames.ts'
import { ANSWER, ASK, type Ask, type PairAlgorithm } from './messages.ts'
import { Token } from './token.ts'
import { UseCounts } from './use-counts.ts'
import { failureOf, reasonOf, TokenFailure } from './token-failure.ts'

type Parts = readonly Buffer[]
interface Act {
  /** How many parts the question has. */
  readonly parts: number
  act(token: Token, parts: Parts): Promise<Parts>
}
const nothing = async (done: Promise<void>): Promise<Parts> => {
  await done
  return []
}
const ACTS: Record<Exclude<Ask, typeof ASK.open | typeof ASK.counts>, Act> = {
  [ASK.makeKey]: { parts: 2, act: (token, [id, label]) => nothing(token.makeKey(id!, label!.toString())) },
  [ASK.encrypt]: { parts: 4, act: async (token, [id, iv, aad, material]) => [await token.encrypt(id!, iv!, aad!, material!)] },
  [ASK.decrypt]: { parts: 4, act: async (token, [id, iv, aad, sealed]) => [await token.decrypt(id!, iv!, aad!, sealed!)] },
  [ASK.makePair]: {
    parts: 3,
    act: (token, [id, label, algorithm]) => nothing(token.makePair(id!, label!.toString(), algorithmOf(algorithm!))),
  },
  [ASK.publicPoint]: { parts: 1, act: async (token, [id]) => [await token.publicPoint(id!)] },
  [ASK.sign]: { parts: 3, act: async (token, [id, algorithm, data]) => [await token.sign(id!, algorithmOf(algorithm!), data!)] },
  [ASK.check]: { parts: 1, act: (token, [id]) => nothing(token.check(id!)) },
  [ASK.destroyKey]: { parts: 1, act: (token, [id]) => nothing(token.destroyKey(id!)) },
  [ASK.knows]: { parts: 1, act: async (token, [algorithm]) => [Buffer.from(token.knows(algorithmOf(algorithm!)) ? '1' : '0')] },
}
const OPEN_PARTS = 5

/** Answers what comes over the channel, until it ends; a frame that is none ends it. */
export function serveToken(channel: Duplex, load: () => Cryptoki): void {
  const reader = new FrameReader()
  let token: Token | null = null
  const done = new UseCounts()
  const act = async ({ kind, parts }: Frame): Promise<Parts> => {
    if (kind === ASK.open && parts.length === OPEN_PARTS) {
      token = open(load, parts)
      return []
    }
    if (kind === ASK.counts && parts.length === 0) return [done.encode()]
    const known = Object.hasOwn(ACTS, kind) ? ACTS[kind as keyof typeof ACTS] : null
    if (token === null || known?.parts !== parts.length) throw new TokenFailure(ANSWER.failed, 'a question that has no answer now')
    // The answer erases its parts.
    const id = parts[0]?.toString('hex') ?? ''
    const answered = await known.act(token, parts)
    done.add(kind, id)
    return answered
  }
  const answer = async (frame: Frame): Promise<void> => {
    let sent: Buffer
    try {
      const parts = await act(frame)
      sent = encodeFrame({ id: frame.id, kind: ANSWER.done, parts })
      for (const part of parts) part.fill(0)
    } catch (thrown) {
      const { answer: kind, message } = failureOf(thrown)
      sent = encodeFrame({ id: frame.id, kind, parts: [Buffer.from(message)] })
    }
    for (const part of frame.parts) part.fill(0)
    channel.write(sent, () => sent.fill(0))
  }
  channel.on('data', (chunk: Buffer) => {
    try {
      for (const frame of reader.push(chunk)) void answer(frame)
    } catch {
      channel.destroy()
    }
    chunk.fill(0)
  })
}

function open(load: () => Cryptoki, parts: Parts): Token {
  const [library, label, serial, pin, sessions] = parts.map((part) => part.toString()) as [string, string, string, string, string]
  let cryptoki: Cryptoki
  try {
    cryptoki = load()
  } catch (thrown) {
    throw new TokenFailure(ANSWER.packageMissing, reasonOf(thrown))
  }
  return Token.open(cryptoki, { library, label, serial: serial === '' ? null : serial, pin, sessions: Number(sessions) })
}

function algorithmOf(part: Buffer): PairAlgorithm {
  const name = part.toString()
  if (name !== 'Ed25519' && name !== 'ES256') throw new TokenFailure(ANSWER.failed, 'no such algorithm')
  return name
}

/**
 * Redoubt with all controls on beside another gateway with none: no guards, no check of callers, no record. TLS on all sides, one upstream.
 * The peer speaks no TLS to callers, so nginx ends it in front of it; only the peer's own process is counted, which favours the peer.
 */
import { Client } from 'undici'
import { startNginx } from './nginx.ts'
import { installPeers } from './peers/install.ts'
import { portkeyHeaders, startPortkey } from './peers/portkey.ts'
import type { Benchmark, Row } from './row.ts'
import { cpuRow, type Kind, KINDS, measure, onStage, ratioRow, type Side, type Stage, startMock, startOurs } from './sides.ts'

const FIRST_PORT = 8_532
const ROUNDS = 5
const TARGET = 0.2
const kinds = ['json', 'stream'] as const

async function startPeer({ folder, certificates, keep }: Stage, upstream: string): Promise<Side> {
  installPeers()
  const portkey = await keep(startPortkey({ folder, ca: certificates.ca }))
  const nginx = await keep(startNginx({ folder, port: FIRST_PORT + 1, upstreamPort: portkey.port, upstreamScheme: 'http', certificates }))
  return {
    name: 'portkey',
    origin: `https://localhost:${nginx.port}`,
    pid: portkey.pid,
    ca: certificates.caPem,
    headers: portkeyHeaders(upstream),
  }
}

interface Answer {
  readonly choices: readonly { readonly message?: { readonly content: string }; readonly delta?: { readonly content?: string } }[]
}

/** @returns the text of an answer; where a stream is cut into chunks does not matter */
async function ask({ name, origin, ca, headers }: Side, kind: Kind): Promise<string> {
  const client = new Client(origin, { allowH2: false, connect: { ca } })
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', ...headers },
      body: KINDS[kind].body,
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${name} answers ${kind} with ${statusCode}: ${text.slice(0, 200)}`)
    const pieces = kind === 'json' ? [text] : [...text.matchAll(/^data: (\{.*)$/gm)].map(([, piece]) => piece ?? '')
    if (kind !== 'json' && !text.includes('data: [DONE]')) throw new Error(`${name} does not end its stream`)
    return pieces
      .flatMap((piece) => (JSON.parse(piece) as Answer).choices)
      .flatMap(({ message, delta }) => message?.content ?? delta?.content ?? [])
      .join('')
  } finally {
    await client.destroy()
  }
}

/** What is compared must have done the same: every side hands over the very text of the upstream. */
async function checkAnswers(upstream: Side, sides: readonly Side[]): Promise<void> {
  for (const kind of kinds) {
    const expected = await ask(upstream, kind)
    for (const side of sides)
      if ((await ask(side, kind)) !== expected) throw new Error(`${side.name} changes what the upstream answers (${kind})`)
  }
}

function run(): Promise<readonly Row[]> {
  return onStage('peers', async (stage) => {
    const mock = await startMock(stage)
    const sides = [await startOurs(stage, { port: FIRST_PORT, upstream: mock.origin }), await startPeer(stage, mock.origin)]
    await checkAnswers(mock, sides)
    const results = await measure(sides, kinds, ROUNDS)
    return kinds.flatMap((kind) => [
      ...sides.map(({ name }) => cpuRow(results, kind, name, null)),
      ratioRow(results, kind, 'portkey', TARGET),
    ])
  })
}

export const benchmark: Benchmark = { name: 'peers', run }

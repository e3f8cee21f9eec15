/** The gateway's own work on one chat call: every step, the record durable twice, no sockets and an upstream that answers at once. */
import { systemClock, NO_EXCEPTIONS, NO_REVIEWS } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { PLAIN_SITE, plannerFor } from '#gateway/filters'
import { type House, infer, type Received, type Reply, RunningStreams } from '#gateway/pipeline'
import { CHAT_COMPLETIONS } from '../src/gateway/routes/chat-completions/protocol.ts'
import { languageSurface } from '../src/gateway/routes/language-surface.ts'
import type { UpstreamRoute, Upstreams } from '#gateway/serving'
import { localTime } from '#trust/conditions'
import { defaultPolicyFiles, loadPolicies } from '#trust/policy'
import { openRealRooms } from './real-rooms.ts'
import { BENCH_ACCOUNT, BENCH_POLICY } from './redoubt-server.ts'
import { type Benchmark, median, type Row } from './row.ts'

const CONCURRENT = 16
const CALLS = 10_000
const ROUNDS = 5

const sentence = 'The committee reviewed the quarterly report and found that most of the targets had been met. '
const body = Buffer.from(
  JSON.stringify({
    model: 'mock',
    messages: [
      { role: 'system', content: sentence.repeat(4) },
      { role: 'user', content: sentence.repeat(14) },
    ],
  }),
)
const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-Bn3vXq2pYw8sK4tLm',
    created: 1_767_225_600,
    model: 'mock-1',
    object: 'chat.completion',
    choices: [
      { index: 0, message: { role: 'assistant', content: sentence.repeat(7), refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 412, completion_tokens: 160, total_tokens: 572 },
  }),
)

const route: UpstreamRoute = {
  model: 'mock',
  upstream: 'mock',
  upstreamModel: 'mock-1',
  sandbox: false,
  vendor: '',
  region: '',
  api: 'openai',
  retries: 0,
  agreedUntil: null,
  fallbacks: [],
  sensitivity: 'internal',
  purposes: [],
  created: 1,
}
const upstreams: Pick<Upstreams, 'resolve' | 'dispatch'> = {
  resolve: () => route,
  dispatch(_route, _body, _options, handler) {
    setImmediate(() => {
      handler.start(200, {})
      handler.data(answer)
      handler.end()
    })
    return { abort: () => undefined, release: () => undefined, pause: () => undefined, resume: () => undefined }
  },
}
const facts = {
  type: 'Endpoint',
  id: 'mock',
  attributes: { sensitivity: 1, purposes: [], sandbox: false, upstream: 'mock', vendor: '', region: '', agreement: false },
  parents: [],
} as const

async function run(): Promise<readonly Row[]> {
  const rooms = await openRealRooms()
  try {
    const policies = await loadPolicies({
      files: [...defaultPolicyFiles(), { name: 'bench.cedar', text: BENCH_POLICY }],
      shadowRate: 1_000,
    })
    const house: House = {
      identity: rooms.identity,
      decider: policies,
      limits: rooms.limits,
      audit: rooms.audit,
      clock: systemClock,
      exceptions: NO_EXCEPTIONS,
      reviews: NO_REVIEWS,
      localTime: localTime('UTC'),
      conditions: rooms.conditions,
      logger: silentLogger,
      profile: 'production',
      digestKey: Buffer.alloc(32, 7),
      plan: plannerFor(PLAIN_SITE),
      hashKey: Buffer.alloc(32, 8),
      filtersDryRun: false,
      vault: { open: () => Promise.reject(new Error('nothing is tokenised here')) },
      streams: new RunningStreams(rooms.identity),
    }
    const options = { upstreams: upstreams as Upstreams, facts: () => facts, pseudonym: (subject: string) => subject, clock: systemClock }
    const surface = languageSurface(options, CHAT_COMPLETIONS)
    const authorization = `Bearer ${await rooms.token(BENCH_ACCOUNT, 'deployer')}`
    let failed = 0
    const one = (n: number): Promise<void> =>
      infer(
        house,
        received(surface, authorization, n, () => failed++),
      )
    const many = async (calls: number): Promise<void> => {
      let left = calls
      await Promise.all(
        Array.from({ length: CONCURRENT }, async () => {
          while (left-- > 0) await one(left)
        }),
      )
    }
    await many(CALLS)
    const each: number[] = []
    const users: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const before = process.cpuUsage()
      await many(CALLS)
      const { user, system } = process.cpuUsage(before)
      each.push((user + system) / CALLS)
      users.push(user / CALLS)
    }
    if (failed > 0) throw new Error(`${failed} calls were refused`)
    return [
      {
        what: `chat call, all steps, ${CONCURRENT} at once, without sockets: CPU`,
        value: Math.min(...each),
        unit: 'µs',
        target: null,
        comparator: '<=',
        note: `median ${median(each).toFixed(1)}, of it user ${median(users).toFixed(1)}; two durable records included`,
      },
    ]
  } finally {
    await rooms.close()
  }
}

function received(surface: Received['surface'], authorization: string, n: number, fail: () => void): Received {
  const reply: Reply = {
    started: false,
    setHeaders: () => undefined,
    send(status) {
      if (status !== 200) fail()
    },
    start: () => undefined,
    write: () => true,
    onDrain: () => undefined,
    end: () => undefined,
    onGone: () => undefined,
  }
  return {
    requestId: `req_${n}`,
    receivedAt: systemClock.now(),
    startedAt: systemClock.monotonic(),
    surface,
    parameters: [],
    credentials: { authorization, authorizationCount: 1, url: '/v1/chat/completions' },
    contentType: 'application/json',
    userAgent: 'bench/1.0',
    sourceAddress: '127.0.0.1',
    purposeHeader: undefined,
    subjectHeader: undefined,
    body: () => Promise.resolve(body),
    reply,
  }
}

export const benchmark: Benchmark = { name: 'pipeline', run }

if (import.meta.main) console.table(await benchmark.run())

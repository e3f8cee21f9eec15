/** From the start of the process to an answer, what it then holds in memory, and one scored row end to end. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request, Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from './load.ts'
import { BENCH_ACCOUNT, BENCH_POLICY, benchToken, build, type RedoubtServer, residentMiB, startRedoubt } from './redoubt-server.ts'
import { type Benchmark, median, percentile, type Row } from './row.ts'

const PORT = 8_535
const STARTS = 10
const READY_TARGET_MS = 2_000
/** 300 MB. */
const IDLE_TARGET_MIB = 286
const TRAINING_ROWS = 2_000
const CALLS = 3_000
const WARM_UP = 2_000
const PURPOSE = 'credit-scoring'
const NUMBERS = ['age', 'fnlwgt', 'education_num', 'capital_gain', 'capital_loss', 'hours_per_week'] as const
const TEXTS = ['workclass', 'education', 'marital', 'occupation', 'relationship', 'race', 'sex', 'country'] as const

/** As many columns and kinds as the Adult census table has; invented. */
function adultLikeCsv(): string {
  const lines = [[...NUMBERS, ...TEXTS, 'label'].join(',')]
  for (let i = 0; i < TRAINING_ROWS; i++) {
    const numbers = NUMBERS.map((_, n) => (i * (n + 3)) % (50 + 10 * n))
    const texts = TEXTS.map((name, n) => `${name}-${(i * (n + 2)) % 7}`)
    lines.push([...numbers, ...texts, (i * 7) % 50 > 30 ? 1 : 0].join(','))
  }
  return `${lines.join('\n')}\n`
}

const oneRow = JSON.stringify({
  inputs: [
    ...NUMBERS.map((name, n) => ({ name, shape: [1, 1], datatype: 'INT64', data: [30 + n] })),
    ...TEXTS.map((name) => ({ name, shape: [1, 1], datatype: 'BYTES', data: [`${name}-3`] })),
  ],
})

async function run(): Promise<readonly Row[]> {
  build()
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-start-'))
  try {
    mkdirSync(join(folder, 'policies'))
    writeFileSync(join(folder, 'policies/bench.cedar'), BENCH_POLICY)
    const config = join(folder, 'redoubt.yaml')
    writeFileSync(config, `policies: ${join(folder, 'policies')}\n`)
    const place = { folder, port: PORT, config }
    const first = await startRedoubt(place)
    benchToken(first, PURPOSE)
    await first.stop()
    const live: number[] = []
    const ready: number[] = []
    const cpu: number[] = []
    const idle: number[] = []
    for (let i = 0; i < STARTS; i++) {
      const again = await startRedoubt(place)
      live.push(again.liveMs)
      ready.push(again.readyMs)
      cpu.push(cpuSeconds(again.pid) * 1000)
      again.command('token', '--as', BENCH_ACCOUNT)
      await sleep(1_000)
      idle.push(residentMiB(again.pid))
      await again.stop()
    }
    const server = await startRedoubt(place)
    try {
      const spread = (values: readonly number[]): string => `of ${values.length}; ${values.map((value) => Math.round(value)).join(' ')}`
      return [
        { what: 'first start to /readyz, workspace made', value: first.readyMs, unit: 'ms', target: null, comparator: '<=' },
        { what: 'start to /livez, median', value: median(live), unit: 'ms', target: null, comparator: '<=', note: spread(live) },
        {
          what: 'start to /readyz, median',
          value: median(ready),
          unit: 'ms',
          target: READY_TARGET_MS,
          comparator: '<=',
          note: spread(ready),
        },
        { what: 'CPU of a start, median', value: median(cpu), unit: 'ms', target: null, comparator: '<=' },
        {
          what: 'resident memory after start and a token, most',
          value: Math.max(...idle),
          unit: 'MiB',
          target: IDLE_TARGET_MIB,
          comparator: '<=',
          note: spread(idle),
        },
        ...(await memoryAndLatency(server, folder)),
      ]
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function memoryAndLatency(server: RedoubtServer, folder: string): Promise<readonly Row[]> {
  const token = server.command('token', '--as', BENCH_ACCOUNT)
  const csv = join(folder, 'adult-like.csv')
  writeFileSync(csv, adultLikeCsv())
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: server.caPem })
  const infer = (): Promise<void> => post(agent, server.port, token)
  server.command(
    'data',
    'import',
    csv,
    '--name',
    'adult-like',
    '--label',
    'label',
    '--sensitivity',
    'restricted',
    '--purpose',
    PURPOSE,
    '--legal-basis',
    'contract',
  )
  server.command('model', 'train', '--dataset', 'adult-like', '--algorithm', 'mlp', '--name', 'adult-like')
  server.command('model', 'deploy', 'adult-like')
  for (let i = 0; i < WARM_UP; i++) await infer()
  const before = cpuSeconds(server.pid)
  const times = new Float64Array(CALLS)
  for (let i = 0; i < CALLS; i++) {
    const started = performance.now()
    await infer()
    times[i] = (performance.now() - started) * 1000
  }
  const cpu = ((cpuSeconds(server.pid) - before) / CALLS) * 1e6
  agent.destroy()
  times.sort()
  const note = `one connection, ${NUMBERS.length} numbers and ${TEXTS.length} texts, TLS, two durable records`
  return [
    { what: 'one Adult-like row over the API, p50', value: percentile(times, 0.5), unit: 'µs', target: null, comparator: '<=', note },
    { what: 'one Adult-like row over the API, p99', value: percentile(times, 0.99), unit: 'µs', target: null, comparator: '<=' },
    { what: 'one Adult-like row over the API, CPU', value: cpu, unit: 'µs', target: null, comparator: '<=' },
    { what: 'resident memory after training and load', value: residentMiB(server.pid), unit: 'MiB', target: null, comparator: '<=' },
  ]
}

function post(agent: Agent, port: number, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(oneRow) }
  return new Promise((resolve, reject) => {
    const asked = request({ agent, host: 'localhost', port, method: 'POST', path: '/v2/models/adult-like/infer', headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(text))))
    })
    asked.on('error', reject).end(oneRow)
  })
}

export const benchmark: Benchmark = { name: 'start-up', run }

if (import.meta.main) console.table(await benchmark.run())

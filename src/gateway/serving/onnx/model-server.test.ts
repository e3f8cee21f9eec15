import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock, type RedoubtError } from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import type { VerifiedModel } from '#assets/registry'
import {
  ADULT_FILL,
  ADULT_NUMBERS,
  ADULT_TEXTS,
  adultLike,
  encodeModel,
  endlessGraph,
  memoryBombGraph,
  mlp,
  mlpAnswer,
  node,
  sklearnClassifier,
  value,
} from '../../../../test/fixtures/onnx-models.ts'
import { ask, memoryRegistry, USE } from '../../../../test/fixtures/memory-registry.ts'
import { createModelServer, type InferTensor, type ModelServer } from '../index.ts'
import { checkOutputs } from './check-outputs.ts'
import { ChildModel } from './child-model.ts'
import { foreignModelsSchema } from './config.ts'

let world: Awaited<ReturnType<typeof memoryRegistry>>
let server: ModelServer
const clock = new ManualClock(0)
const servers: ModelServer[] = []
beforeAll(async () => {
  world = await memoryRegistry()
})
afterAll(() => world.close())
afterEach(() => {
  for (const each of servers.splice(0)) each.close()
})

function serve(foreign: Parameters<typeof createModelServer>[0]['foreign'] = {}): ModelServer {
  server = createModelServer({ clock, logger: silentLogger, foreign })
  servers.push(server)
  return server
}

let names = 0
async function verified(file: Uint8Array, foreign: boolean): Promise<VerifiedModel> {
  const version = await world.registry.register(ask(file, { name: `m${names++}`, foreign }))
  return await world.registry.openVerified(version, USE)
}

const fp32 = (name: string, shape: number[], data: (number | null)[]): InferTensor => ({ name, datatype: 'FP32', shape, data })
const numbers = (tensor: InferTensor | undefined): number[] => Array.from(tensor?.data as ArrayLike<number | bigint>, Number)

function adultRows(rows: number, change: (name: string) => string | number | null | undefined = () => undefined): InferTensor[] {
  const column = (name: string, data: (row: number) => string | number | null): (string | number | null)[] =>
    Array.from({ length: rows }, (_, row) => {
      const changed = change(name)
      return changed === undefined ? data(row) : changed
    })
  return [
    ...ADULT_NUMBERS.map((name, i): InferTensor => ({
      name,
      datatype: 'INT64',
      shape: [rows, 1],
      data: column(name, (row) => 10 + i + row),
    })),
    ...ADULT_TEXTS.map((name, i): InferTensor => ({
      name,
      datatype: 'BYTES',
      shape: [rows, 1],
      data: column(name, (row) => `${name}-${(row + i) % 10}`),
    })),
  ]
}

describe('a model of our own', () => {
  it('answers any number of rows in process, each row as if it were alone', async () => {
    const model = await serve().load(await verified(adultLike(), false))
    expect(model.placement).toBe('in-process')
    expect(server.get(model.version.name)).toBe(model)
    const many = await model.infer(adultRows(100), 100)
    expect(many.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual([
      { name: 'label', datatype: 'INT64', shape: [100, 1] },
      { name: 'probability', datatype: 'FP32', shape: [100, 1] },
    ])
    const one = await model.infer(adultRows(1), 1)
    expect(numbers(one[1])[0]).toBeCloseTo(numbers(many[1])[0] ?? 0, 6)
    expect(numbers(many[0])).toEqual(numbers(many[1]).map((p) => (p > 0.5 ? 1 : 0)))
  })

  it('computes what the same network computes in double precision', async () => {
    const model = await serve().load(await verified(mlp(7), false))
    const row = [0.5, -1, 2, 0.25]
    const [answer] = await model.infer([fp32('x', [1, 4], row)], 1)
    expect(numbers(answer)[0]).toBeCloseTo(mlpAnswer(row, 7), 5)
  })

  it('takes null as the graph was trained to: integer, text and real', async () => {
    const model = await serve().load(await verified(adultLike(), false))
    const withNull = await model.infer(
      adultRows(1, (name) => (name === 'age' ? null : undefined)),
      1,
    )
    const withFill = await model.infer(
      adultRows(1, (name) => (name === 'age' ? ADULT_FILL : undefined)),
      1,
    )
    const plain = await model.infer(adultRows(1), 1)
    expect(numbers(withNull[1])).toEqual(numbers(withFill[1]))
    expect(numbers(withNull[1])).not.toEqual(numbers(plain[1]))
    const textNull = await model.infer(
      adultRows(1, (name) => (name === 'sex' ? null : undefined)),
      1,
    )
    const textEmpty = await model.infer(
      adultRows(1, (name) => (name === 'sex' ? '' : undefined)),
      1,
    )
    expect(numbers(textNull[1])).toEqual(numbers(textEmpty[1]))
    const real = await serve().load(await verified(mlp(), false))
    expect(numbers((await real.infer([fp32('x', [1, 4], [1, null, 1, 1])], 1))[0])).toEqual([Number.NaN])
  })

  it('takes inputs in any order and typed arrays as they are', async () => {
    const model = await serve().load(await verified(adultLike(), false))
    const rows = adultRows(3)
    const typed = rows.map((tensor): InferTensor =>
      tensor.datatype === 'INT64' ? { ...tensor, data: BigInt64Array.from(tensor.data as number[], BigInt) } : tensor,
    )
    expect(await model.infer(typed.toReversed(), 3)).toEqual(await model.infer(rows, 3))
  })

  it.each([
    ['a missing input', (rows: InferTensor[]) => rows.slice(1)],
    ['an unknown input', (rows: InferTensor[]) => rows.with(0, { ...fp32('x', [2, 1], [1, 2]) })],
    ['another datatype', (rows: InferTensor[]) => rows.with(0, { ...rows[0], datatype: 'FP32' } as InferTensor)],
    ['another number of rows', (rows: InferTensor[]) => rows.with(0, { ...rows[0], shape: [3, 1], data: [1, 2, 3] } as InferTensor)],
    ['too few values', (rows: InferTensor[]) => rows.with(0, { ...rows[0], data: [1] } as InferTensor)],
    ['too many values', (rows: InferTensor[]) => rows.with(0, { ...rows[0], data: [1, 2, 3] } as InferTensor)],
    ['a text for a number', (rows: InferTensor[]) => rows.with(0, { ...rows[0], data: ['a', 'b'] } as InferTensor)],
    ['a fraction for an integer', (rows: InferTensor[]) => rows.with(0, { ...rows[0], data: [1.5, 2] } as InferTensor)],
    ['a number for a text', (rows: InferTensor[]) => rows.with(13, { ...rows[13], data: [1, 2] } as InferTensor)],
    ['a typed array of another type', (rows: InferTensor[]) => rows.with(0, { ...rows[0], data: new Float32Array(2) } as InferTensor)],
  ])('refuses %s before the runtime sees it', async (_, change) => {
    const model = await serve().load(await verified(adultLike(), false))
    await expect(model.infer(change(adultRows(2)), 2)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
  })

  it('refuses calls that carry too many values', async () => {
    const model = await serve().load(await verified(mlp(), false))
    await expect(
      model.infer([{ name: 'x', datatype: 'FP32', shape: [2_000_000, 4], data: new Float32Array(0) }], 2_000_000),
    ).rejects.toMatchObject({ code: 'ERR_LIMIT_CALL_SIZE' })
  })
})

describe('the server', () => {
  it('loads nothing that the registry did not verify (C11)', async () => {
    const model = await verified(mlp(), false)
    const forged = { version: model.version, bytes: model.bytes } as unknown as VerifiedModel
    await expect(serve().load(forged)).rejects.toMatchObject({ code: 'ERR_MODEL_SIGNATURE' })
    expect(server.list()).toEqual([])
  })

  it('replaces a model under its name and takes one out of service', async () => {
    const first = await serve().load(await verified(mlp(1), false))
    const { name } = first.version
    await world.registry.register(ask(mlp(2), { name }))
    const second = await server.load(await world.registry.openVerified({ name, version: 2 }, USE))
    expect(server.get(name)).toBe(second)
    await expect(first.infer([fp32('x', [1, 4], [1, 2, 3, 4])], 1)).rejects.toMatchObject({ code: 'ERR_MODEL_UNDEPLOYED' })
    server.unload(name)
    expect(server.get(name)).toBeNull()
    await expect(second.infer([fp32('x', [1, 4], [1, 2, 3, 4])], 1)).rejects.toMatchObject({ code: 'ERR_MODEL_UNDEPLOYED' })
  })

  it('serves what is staged only when it is committed (C11)', async () => {
    const first = await serve().load(await verified(mlp(1), false))
    const { name } = first.version
    await world.registry.register(ask(mlp(2), { name }))
    const second = await world.registry.openVerified({ name, version: 2 }, USE)
    ;(await server.stage(second)).discard()
    expect(server.get(name)).toBe(first)
    const staged = await server.stage(second)
    expect(server.get(name)).toBe(first)
    staged.commit()
    expect(server.get(name)?.version.version).toBe(2)
  })

  it('does not load a quarantined version that was opened to be explained (C11)', async () => {
    const { version } = await verified(mlp(1), false)
    await world.registry.quarantine(version.name, version.version, USE.principal, 'poisoned rows')
    await expect(world.registry.openVerified(version, USE)).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    const opened = await world.registry.openVerified(version, USE, { evenQuarantined: true })
    expect(opened.version.quarantined).toBe(true)
    await expect(serve().load(opened)).rejects.toMatchObject({ code: 'ERR_MODEL_QUARANTINED' })
    expect(server.get(version.name)).toBeNull()
  })

  it('keeps the model before when the new one does not load', async () => {
    const first = await serve().load(await verified(mlp(1), false))
    const { name } = first.version
    await world.registry.register(
      ask(
        encodeModel({ node: [node('NoSuchOperator', ['x'], ['y'])], input: [value('x', 1, ['N', 4])], output: [value('y', 1, ['N', 4])] }),
        { name },
      ),
    )
    await expect(server.load(await world.registry.openVerified({ name, version: 2 }, USE))).rejects.toMatchObject({
      code: 'ERR_MODEL_FORMAT',
    })
    expect(server.get(name)).toBe(first)
  })
})

describe('a foreign model', () => {
  it('cannot pass other tensors off as its own: an answer that does not fit its description is refused', () => {
    const specs = [{ name: 'p', datatype: 'FP32', shape: [-1, 1] }] as const
    const tensor = { name: 'p', datatype: 'FP32', shape: [1, 1], data: new Float32Array(1) } as const
    expect(checkOutputs(specs, [tensor])).toEqual([tensor])
    const others: Parameters<typeof checkOutputs>[1][] = [
      [],
      [tensor, tensor],
      [{ ...tensor, name: 'q' }],
      [{ ...tensor, datatype: 'FP64', data: new Float64Array(1) }],
      [{ ...tensor, shape: [5_000_000, 1], data: new Float32Array(5_000_000) }],
    ]
    for (const outputs of others) expect(() => checkOutputs(specs, outputs)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_CRASHED' }))
  })

  it('runs in another process and answers as in process', async () => {
    const model = await serve().load(await verified(mlp(3), true))
    expect(model.placement).toBe('child-process')
    const data = Array.from({ length: 40 }, (_, i) => Math.sin(i))
    const [answer] = await model.infer([fp32('x', [10, 4], data)], 10)
    for (const [row, p] of numbers(answer).entries()) expect(p).toBeCloseTo(mlpAnswer(data.slice(row * 4, row * 4 + 4), 3), 5)
  })

  it('with a bypassed ZipMap answers label and probabilities', async () => {
    const model = await serve().load(await verified(sklearnClassifier(), true))
    const answer = await model.infer([fp32('float_input', [2, 4], [5, 0, 0, 0, -5, 0, 0, 0])], 2)
    expect(answer.map(({ name, shape }) => ({ name, shape }))).toEqual([
      { name: 'label', shape: [2] },
      { name: 'probabilities', shape: [2, 2] },
    ])
    const [a = 0, b = 0, c = 0, d = 0] = numbers(answer[1])
    expect([a + b, c + d].map((sum) => Math.round(sum * 1e5) / 1e5)).toEqual([1, 1])
    expect(numbers(answer[0])).toEqual([a > b ? 0 : 1, c > d ? 0 : 1])
  })

  it('takes null for reals alone', async () => {
    const text = encodeModel({
      node: [node('Identity', ['x'], ['y'])],
      input: [value('x', 8, ['N', 1])],
      output: [value('y', 8, ['N', 1])],
    })
    const model = await serve().load(await verified(text, true))
    expect((await model.infer([{ name: 'x', datatype: 'BYTES', shape: [2, 1], data: ['grüße', ''] }], 2))[0]?.data).toEqual(['grüße', ''])
    await expect(model.infer([{ name: 'x', datatype: 'BYTES', shape: [1, 1], data: [null] }], 1)).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
    })
    const real = await serve().load(await verified(mlp(), true))
    expect(numbers((await real.infer([fp32('x', [1, 4], [1, null, 1, 1])], 1))[0])).toEqual([Number.NaN])
  })

  it('have a bounded number of processes, and make room when one ends', async () => {
    const first = await serve({ maxModels: 1 }).load(await verified(mlp(11), true))
    const other = await verified(mlp(12), true)
    await expect(server.load(other)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    server.unload(first.version.name)
    expect((await server.load(other)).placement).toBe('child-process')
    const staged = await serve({ maxModels: 1 }).stage(other)
    staged.discard()
    ;(await server.stage(other)).commit()
    expect(server.list()).toHaveLength(1)
  })

  it('that the runtime does not take is refused when it is loaded', async () => {
    const unknown = encodeModel({
      node: [node('NoSuchOperator', ['x'], ['y'])],
      input: [value('x', 1, ['N', 4])],
      output: [value('y', 1, ['N', 4])],
    })
    await expect(serve().load(await verified(unknown, true))).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' })
  })

  it('that never ends is stopped at the time limit, and the server goes on', async () => {
    const good = await serve({ callTimeoutMs: 400 }).load(await verified(mlp(), true))
    const endless = await server.load(await verified(encodeModel(endlessGraph()), true))
    const started = performance.now()
    const [stopped, answered] = await Promise.allSettled([
      endless.infer([fp32('x', [1, 1], [1])], 1),
      good.infer([fp32('x', [1, 4], [1, 2, 3, 4])], 1),
    ])
    expect(stopped).toMatchObject({ status: 'rejected', reason: { code: 'ERR_MODEL_TIMEOUT' } })
    expect(answered.status).toBe('fulfilled')
    expect(performance.now() - started).toBeLessThan(5_000)
    await expect(endless.infer([fp32('x', [1, 1], [1])], 1)).rejects.toMatchObject({
      code: 'ERR_MODEL_CRASHED',
      evidence: { retryAfterMs: 200 },
    })
  })

  it('that takes too much memory is stopped before the host is harmed', async () => {
    const model = await serve({ maxMemoryBytes: 256 * 1024 * 1024 }).load(await verified(encodeModel(memoryBombGraph(4)), true))
    await expect(model.infer([fp32('x', [1, 1], [1])], 1)).rejects.toMatchObject({ code: 'ERR_MODEL_CRASHED' })
  })
})

describe('the process of a foreign model', () => {
  const config = foreignModelsSchema.parse({ backoffMs: 100, maxBackoffMs: 300, maxWaitingCalls: 2 })
  const input = { name: 'x', datatype: 'FP32', shape: [1, 4], data: Float32Array.from([1, 2, 3, 4]) } as const
  const outcome = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'answered',
      (error: RedoubtError) => error.code,
    )
  const children: ChildModel[] = []
  function start(file = mlp()): { child: ChildModel; clock: ManualClock } {
    const clock = new ManualClock(0)
    const child = new ChildModel({ model: file, label: 'm@1', config, clock, logger: silentLogger })
    children.push(child)
    return { child, clock }
  }
  afterEach(() => {
    for (const child of children.splice(0)) child.close()
  })
  /** So that the call cannot be answered before the process is killed. */
  const stop = (child: ChildModel): void => void process.kill(child.pid ?? 0, 'SIGSTOP')
  const kill = (child: ChildModel): void => void process.kill(child.pid ?? 0, 'SIGKILL')

  it('is started again after a crash, with pauses that double up to a bound', async () => {
    const { child, clock } = start()
    await child.start()
    const first = child.pid
    for (const pause of [100, 200, 300, 300]) {
      stop(child)
      const running = outcome(child.run([input]))
      kill(child)
      expect(await running).toBe('ERR_MODEL_CRASHED')
      await expect(child.run([input])).rejects.toMatchObject({ code: 'ERR_MODEL_CRASHED', evidence: { retryAfterMs: pause } })
      clock.advance(pause)
      await child.start()
    }
    expect(await outcome(child.run([input]))).toBe('answered')
    expect(child.pid).not.toBe(first)
    stop(child)
    const running = outcome(child.run([input]))
    kill(child)
    expect(await running).toBe('ERR_MODEL_CRASHED')
    await expect(child.run([input])).rejects.toMatchObject({ evidence: { retryAfterMs: 100 } })
  })

  it('is given a bounded number of calls', async () => {
    const { child } = start()
    await child.start()
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => outcome(child.run([input]))))
    expect(outcomes).toEqual(['answered', 'answered', 'answered', 'ERR_MODEL_BUSY', 'ERR_MODEL_BUSY'])
  })

  it('answers what it has when it is drained, and refuses it when it is closed', async () => {
    const { child } = start()
    await child.start()
    const last = outcome(child.run([input]))
    child.drain()
    expect(await last).toBe('answered')
    expect(child.pid).toBeNull()
    expect(await outcome(child.run([input]))).toBe('ERR_MODEL_UNDEPLOYED')
    const { child: other } = start()
    await other.start()
    const running = outcome(other.run([input]))
    other.close()
    expect(await running).toBe('ERR_MODEL_UNDEPLOYED')
  })

  it('has no environment of ours, no descriptor but its channel, and neither rights nor room of ours (B1)', async () => {
    const { readdirSync, readFileSync, readlinkSync } = await import('node:fs')
    const { child } = start()
    await child.start()
    const proc = `/proc/${child.pid ?? 0}`
    expect(readFileSync(`${proc}/environ`, 'latin1').replace(/\0|PWD=\/\0|_=[^\0]*\0|OLDPWD=[^\0]*\0|SHLVL=\d+\0/g, '')).toBe(
      'ORT_DISABLE_TELEMETRY=1',
    )
    // A test runner's thread cannot set the environment that native code sees, so its own process may hold such a file open.
    const ours = new RegExp(`mat-debug-${process.pid}|onnxruntime.db`)
    const open = readdirSync(`${proc}/fd`)
      .map((fd) => readlinkSync(`${proc}/fd/${fd}`))
      .filter((target) => !ours.test(target))
    expect(open.filter((target) => target.startsWith('/') && target !== '/dev/null')).toEqual([])
    expect(open.filter((target) => target.startsWith('socket:'))).toHaveLength(1)
    expect(readlinkSync(`${proc}/cwd`)).toBe('/')
    const command = readFileSync(`${proc}/cmdline`, 'latin1').split('\0')
    expect(command).toEqual(expect.arrayContaining(['--permission', '--disallow-code-generation-from-strings']))
    expect(command.filter((flag) => /^--allow-(?!fs-read|addons)/.test(flag))).toEqual([])
    expect(readFileSync(`${proc}/oom_score_adj`, 'latin1').trim()).toBe('1000')
    expect(readFileSync(`${proc}/limits`, 'latin1')).toMatch(/Max core file size\s+0\s/)
  })
})

// INVARIANT: evaluated before the runtime is loaded.
import './no-telemetry.ts'
import { InferenceSession, type Tensor } from 'onnxruntime-node'
import type { RuntimeTensor, TensorNumbers } from './runtime-tensor.ts'

/** One loaded model. Used beside the keys for models of our own, and in the child process for a stranger's. */
export interface RuntimeSession {
  run(inputs: readonly RuntimeTensor[]): Promise<readonly RuntimeTensor[]>
  release(): Promise<void>
}

type Datatype = RuntimeTensor['datatype']

/** The runtime's names for datatypes. */
const RUNTIME_TYPE: Readonly<Record<Datatype, string>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
}
const DATATYPE: Readonly<Record<string, Datatype>> = Object.fromEntries(
  Object.entries(RUNTIME_TYPE).map(([datatype, name]) => [name, datatype as Datatype]),
)

/**
 * A tensor as the runtime's native side reads it. Its own class answers `data` and `location` by accessors, which a call of 14
 * columns pays with 3 µs; what the class checks, the native side checks again or was checked before (`encodeInputs`, `decodeTensors`).
 */
interface Feed {
  readonly type: string
  readonly location: 'cpu'
  readonly dims: readonly number[]
  readonly data: TensorNumbers | readonly string[]
}

/**
 * One thread and no arena: calls are short and the event loop is the queue. Threads of its own would fight the server for the
 * cores, and an arena keeps the largest call's memory for ever.
 */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  executionMode: 'sequential',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 4,
}

/** @throws what the runtime throws: the caller decides whose fault it is. */
export async function openSession(model: Uint8Array): Promise<RuntimeSession> {
  const session = await InferenceSession.create(model, SESSION_OPTIONS)
  return {
    async run(inputs) {
      // Without a prototype: an input, and a column that became one, may be called `__proto__`.
      const feeds = Object.create(null) as Record<string, Feed>
      for (const { name, datatype, data, shape } of inputs)
        feeds[name] = { type: RUNTIME_TYPE[datatype], location: 'cpu', dims: shape, data }
      const results = await session.run(feeds as unknown as Readonly<Record<string, Tensor>>)
      return session.outputNames.map((name) => {
        const tensor = results[name]
        const datatype = tensor ? DATATYPE[tensor.type] : undefined
        if (!tensor || !datatype) throw new TypeError('the runtime gave no tensor')
        return { name, datatype, shape: tensor.dims, data: tensor.data }
      })
    },
    release: () => session.release(),
  }
}

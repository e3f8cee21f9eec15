import { type Clock, RedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { isVerifiedModel, type ModelVersion, type StagedModel, type TensorSpec, type VerifiedModel } from '#assets/registry'
import { checkOutputs } from './check-outputs.ts'
import { ChildModel } from './child-model.ts'
import { foreignModelsSchema, type ForeignModelsConfig } from './config.ts'
import type { RuntimeTensor } from './runtime-tensor.ts'
import { openSession } from './runtime-session.ts'
import { encodeInputs, type InferTensor } from './tensors.ts'

export interface ServedModel {
  readonly version: ModelVersion
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Where it runs. */
  readonly placement: 'in-process' | 'child-process'
  /**
   * Any number of rows from 1. Null stands for a missing value where the spec says `nullable`.
   * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_LIMIT_CALL_SIZE`, `ERR_MODEL_CRASHED`, `ERR_MODEL_TIMEOUT`, `ERR_MODEL_BUSY`
   */
  infer(inputs: readonly InferTensor[], rows: number): Promise<readonly InferTensor[]>
}

export interface ModelServer {
  /**
   * Loads a verified model and serves it under its name in place of the one before, which finishes its running calls.
   * @throws {RedoubtError} `ERR_MODEL_SIGNATURE` for anything but what the registry verified, `ERR_MODEL_FORMAT` when the runtime
   *   does not take it; the model before then stays.
   */
  load(model: VerifiedModel): Promise<ServedModel>
  /** As `load`, but serves it only when it is committed. @throws as `load`, and `ERR_BUSY` when too many foreign models have a process. */
  stage(model: VerifiedModel): Promise<StagedModel>
  /** Out of service at once: calls that wait for a process are refused. */
  unload(name: string): void
  get(name: string): ServedModel | null
  list(): readonly ServedModel[]
  close(): void
}

interface Entry {
  readonly model: ServedModel
  readonly runner: Runner
}

interface Runner {
  readonly placement: ServedModel['placement']
  run(inputs: readonly RuntimeTensor[]): Promise<readonly RuntimeTensor[]>
  /** Answers what it has and takes no more. */
  drain(): void
  close(): void
}

/**
 * Serves ONNX models: those trained here beside the keys, those made elsewhere each in a process without keys, because parsing
 * a stranger's file in native code does not belong beside them.
 */
export function createModelServer(options: {
  readonly clock: Clock
  readonly logger: Logger
  readonly foreign?: Partial<ForeignModelsConfig>
}): ModelServer {
  const foreign = foreignModelsSchema.parse(options.foreign ?? {})
  const served = new Map<string, Entry>()
  /** Foreign models that have a process, or are about to. */
  const processes = new Set<object>()

  function unload(name: string): void {
    const entry = served.get(name)
    served.delete(name)
    entry?.runner.close()
  }

  /** Each process may take its whole share of memory, so their number is bounded before one is started. */
  async function startForeign(label: string, model: Uint8Array): Promise<Runner> {
    if (processes.size >= foreign.maxModels)
      throw new RedoubtError('ERR_BUSY', `${foreign.maxModels} foreign models have a process already`)
    const slot = {}
    processes.add(slot)
    try {
      const { clock, logger } = options
      return await startChild({ model, label, config: foreign, clock, logger, onEnd: () => processes.delete(slot) })
    } catch (cause) {
      processes.delete(slot)
      throw cause
    }
  }

  async function prepare(verified: VerifiedModel): Promise<Entry> {
    if (!isVerifiedModel(verified)) throw new RedoubtError('ERR_MODEL_SIGNATURE', 'only a verified model is loaded')
    const { version, bytes } = verified
    // Opened to explain what it decided, it is verified all the same.
    if (version.quarantined) throw new RedoubtError('ERR_MODEL_QUARANTINED')
    const runner = version.foreign ? await startForeign(`${version.name}@${version.version}`, bytes) : await openInProcess(bytes)
    const model: ServedModel = {
      version,
      inputs: version.inputs,
      outputs: version.outputs,
      placement: runner.placement,
      async infer(inputs, rows) {
        return checkOutputs(version.outputs, await runner.run(encodeInputs(version.inputs, inputs, rows)))
      },
    }
    return { model, runner }
  }

  function commit(entry: Entry): ServedModel {
    const { name } = entry.model.version
    served.get(name)?.runner.drain()
    served.set(name, entry)
    return entry.model
  }

  return {
    load: async (verified) => commit(await prepare(verified)),
    async stage(verified) {
      const entry = await prepare(verified)
      return { commit: () => void commit(entry), discard: () => entry.runner.close() }
    },
    unload,
    get: (name) => served.get(name)?.model ?? null,
    list: () => [...served.values()].map(({ model }) => model),
    close() {
      for (const name of served.keys()) unload(name)
    },
  }
}

async function openInProcess(bytes: Uint8Array): Promise<Runner> {
  const session = await openSession(bytes).catch((cause: unknown) => {
    throw new RedoubtError('ERR_MODEL_FORMAT', 'the runtime does not take this model', { cause })
  })
  let running = 0
  let closed = false
  const releaseWhenIdle = (): void => {
    if (closed && running === 0) void session.release().catch(() => undefined)
  }
  const close = (): void => {
    if (closed) return
    closed = true
    releaseWhenIdle()
  }
  return {
    placement: 'in-process',
    async run(inputs) {
      if (closed) throw new RedoubtError('ERR_MODEL_UNDEPLOYED', 'the model was taken out of service')
      running++
      try {
        return await session.run(inputs)
      } catch {
        // The runtime's message may quote values of the row.
        throw new RedoubtError('ERR_INPUT_INVALID', 'the model could not compute this input')
      } finally {
        running--
        releaseWhenIdle()
      }
    },
    drain: close,
    close,
  }
}

async function startChild(options: ConstructorParameters<typeof ChildModel>[0]): Promise<Runner> {
  const child = new ChildModel(options)
  try {
    await child.start()
  } catch (cause) {
    child.close()
    throw cause
  }
  return child
}

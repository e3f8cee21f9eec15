import type { KeyObject } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import {
  asRedoubtError,
  type AuditSink,
  type EntityUid,
  type JsonObject,
  processFacts,
  RedoubtError,
  RUNNING_EXTENSION,
} from '#foundation/core'
import type { Datasets, DatasetVersion, ImportedVersion, RowAccess, SealJob, VersionFacts } from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'
import { codeDigest } from './code-digest.ts'
import { inheritedScan } from './inherited-scan.ts'
import { JOIN_BOUNDS, type JoinBounds } from './join-index.ts'
import { planOf, type SourceFacts } from './plan.ts'
import type { WorkDone, WorkSource } from './transform-work.ts'
import type { TransformVersion } from './transform-version.ts'
import type { TransformEnd, Transforms } from './transforms.ts'
import { answersFor } from './thread-answers.ts'
import { type FromWorker, told, type ToWorker } from './worker-port.ts'

export interface RunPorts {
  readonly datasets: Pick<Datasets, 'commit' | 'current'>
  readonly transforms: Pick<Transforms, 'recordRun'>
  readonly keys: Pick<Keys, 'unwrap' | 'generateDataKey'>
  readonly audit: AuditSink
  /** Of the keyring: says in the thread whom rows are about. */
  readonly pseudonymKey: KeyObject
  /** Folder of the sealed objects. */
  readonly objectsPath: string
  /** Milliseconds; an hour unless given. */
  readonly timeLimitMs?: number
  readonly bounds?: JoinBounds
}

/** A source as it is read: this version, under this decision, and whatever becomes of its name meanwhile. */
export interface RunSource {
  readonly version: DatasetVersion
  readonly facts: SourceFacts
  readonly access: RowAccess
  readonly use: KeyUse
}

export interface RunAsk {
  readonly transform: TransformVersion
  /** Its id, for the record. */
  readonly run: string
  /** In the order of `sourcesOf`. */
  readonly sources: readonly RunSource[]
  readonly by: EntityUid
  readonly requestId?: string
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
  /** Why it may not go on as of now; asked once more before the version exists. */
  readonly mayGoOn?: () => RedoubtError | null
}

const TIME_LIMIT_MS = 3_600_000
/** Of the thread's heap: what is joined, two groups, and the code. */
const MAX_HEAP_MIB = 1_024

/**
 * Runs a version of a transform in a thread of its own, which is the only one that has rows in clear: it opens sealed groups and seals new ones, asks for
 * each key by a message, and is gone when this settles. What fails or is cancelled leaves nothing.
 * @returns the version that came out. @throws {RedoubtError} `ERR_TRANSFORM_…`, `ERR_CONFLICT` when a source was changed meanwhile; as
 *   `Datasets.commit`; the signal's reason.
 */
export async function runTransform(ports: RunPorts, ask: RunAsk): Promise<ImportedVersion> {
  const { transform, run, sources, by, requestId } = ask
  const { definition } = transform
  const facts = sources.map((source) => source.facts)
  const plan = planOf(definition, facts)
  const digest = codeDigest()
  ask.signal?.throwIfAborted()
  const worker = new Worker(new URL(`./transform.worker.${RUNNING_EXTENSION}`, import.meta.url), {
    name: 'transform',
    // Nothing of the parent's environment, where secrets may be referenced.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  })
  // Listened to from its first moment, or what goes wrong then would end the server.
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => undefined)
  worker.on('error', (cause: NodeJS.ErrnoException) => broken.reject(endOf(cause)))
  worker.on('exit', () => broken.reject(new RedoubtError('ERR_TRANSFORM_FAILED', 'the thread of the transform ended without a result')))
  const read = sources.map(({ version: { name, version, digest: of } }) => ({ name, version, digest: of }))
  const process_ = processFacts('transform-thread', digest, worker.threadId)
  let done: WorkDone | null = null
  const counts = (): JsonObject => ({
    steps: (done?.steps ?? []).map(({ step, rowsIn, rowsOut }) => ({ step, rowsIn, rowsOut })),
    rows: (done?.sources ?? []).map(({ read: all, admitted, failed }) => ({ read: all, admitted, failed })),
  })
  try {
    const asked = { by, ...(requestId === undefined ? {} : { requestId }) }
    const ended = await ports.transforms.recordRun(
      transform,
      { run, sources: read, target: definition.to.dataset, process: process_ },
      asked,
    )
    const end = (made: TransformEnd['made'], code: TransformEnd['code']): Promise<void> => ended({ made, code, details: counts() })
    try {
      const derivedFrom = {
        transform: { name: transform.name, version: transform.version, digest: transform.digest },
        sources: read,
        codeDigest: digest,
        person: { type: by.type, id: by.id },
      }
      const version = {
        name: definition.to.dataset,
        columns: plan.columns.map(({ name, type }) => ({ name, type })),
        label: plan.label ?? undefined,
        subject: plan.subject ?? undefined,
        sensitivity: plan.sensitivity,
        purposes: plan.purposes,
        legalBasis: plan.legalBasis,
        derivedFrom,
      }
      const made = await ports.datasets.commit(
        async (job) => {
          done = await work(ports, ask, worker, broken.promise, job, version)
          return done.sealed
        },
        {
          ...version,
          ...asked,
          event: 'data.transform',
          details: () => ({ run, ...derivedFrom, ...counts(), process: process_ }),
          scan: inheritedScan(plan, facts),
          still: () => demandUnchanged(ports, ask),
          signal: ask.signal,
        },
      )
      await end({ name: made.name, version: made.version, digest: made.digest }, null)
      return made
    } catch (thrown) {
      // The reason is what the caller is told, whether or not the log takes the end.
      await end(null, asRedoubtError(thrown).code).catch(() => undefined)
      throw thrown
    }
  } finally {
    await worker.terminate()
  }
}

/** @throws {RedoubtError} `ERR_CONFLICT` when rows of a source are gone that the thread may have read, or the caller's reason to end. */
function demandUnchanged({ datasets }: Pick<RunPorts, 'datasets'>, { sources, mayGoOn }: RunAsk): void {
  for (const { version } of sources)
    if (datasets.current(version)?.digest !== version.digest)
      throw new RedoubtError(
        'ERR_CONFLICT',
        `\`${version.name}\` version ${version.version} was changed while it was read; run the transform again`,
      )
  const reason = mayGoOn?.()
  if (reason) throw reason
}

/** Gives the thread its work and answers what it asks, until it has sealed the version. */
async function work(
  ports: RunPorts,
  { transform, sources, signal, progress }: RunAsk,
  worker: Worker,
  broken: Promise<never>,
  { id, use, place }: SealJob,
  facts: VersionFacts,
): Promise<WorkDone> {
  const { promise, resolve, reject } = Promise.withResolvers<WorkDone>()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const say = (message: ToWorker): void => worker.postMessage(message)
  const answer = answersFor(ports, sources, { id, use, place }, facts.name)
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'progress') progress?.(message.rows)
    else if (message.kind === 'done') resolve(message.done)
    else if (message.kind === 'failed')
      reject(new RedoubtError(message.error.code, message.error.message, { evidence: message.error.evidence }))
    else {
      const { number, question } = message
      answer(question).then(
        (value) => say({ kind: 'answer', number, answer: value }),
        (thrown: unknown) => say({ kind: 'refusal', number, error: told(asRedoubtError(thrown)) }),
      )
    }
  })
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const limit = ports.timeLimitMs ?? TIME_LIMIT_MS
  const timer = setTimeout(
    () => reject(new RedoubtError('ERR_TRANSFORM_TIMEOUT', `the transform took longer than ${limit / 1000} seconds`)),
    limit,
  )
  try {
    signal?.throwIfAborted()
    say({
      kind: 'work',
      objects: ports.objectsPath,
      work: {
        id,
        use,
        definition: transform.definition,
        sources: sources.map(sourceForThread),
        facts,
        pseudonymKey: ports.pseudonymKey,
        bounds: ports.bounds ?? JOIN_BOUNDS,
      },
    })
    return await Promise.race([promise, broken])
  } catch (thrown) {
    // Before its objects are removed: a thread that goes on would write more of them.
    await worker.terminate()
    throw thrown
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function sourceForThread({ version, facts, use, access: { rows, ...access } }: RunSource): WorkSource {
  // INVARIANT: a condition that cannot leave this thread is refused there, and not left out.
  return { version, facts, use, access, condition: rows === null ? null : (rows.portable ?? 'none') }
}

function endOf(cause: NodeJS.ErrnoException): RedoubtError {
  return cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new RedoubtError('ERR_TRANSFORM_LIMIT', `the thread of the transform needs more than ${MAX_HEAP_MIB} MiB of memory`, { cause })
    : new RedoubtError('ERR_TRANSFORM_FAILED', 'the thread of the transform failed', { cause })
}

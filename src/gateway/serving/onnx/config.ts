import { z } from 'zod'

/** 512 MiB resident: the runtime itself takes some 90. A forest of 200 MiB fits, a bomb does not take the host with it. */
const DEFAULT_MAX_MEMORY_BYTES = 512 * 1024 * 1024
/** 5 s for one call: a thousand rows of a large forest take far less than one. */
const DEFAULT_CALL_TIMEOUT_MS = 5_000
/** 30 s to start a process and load a model into it, on a busy machine. */
const DEFAULT_LOAD_TIMEOUT_MS = 30_000
/** 64 calls may wait for one model; more would only wait for their time-out. */
const DEFAULT_MAX_WAITING_CALLS = 64
/** Eight processes of 512 MiB at most: half of a small host. */
const DEFAULT_MAX_MODELS = 8
/** First pause after a crash; it doubles with each further one up to the longest. */
const DEFAULT_BACKOFF_MS = 200
const DEFAULT_MAX_BACKOFF_MS = 30_000

/** How models that were made elsewhere are run, each in a process of its own. */
export const foreignModelsSchema = z
  .object({
    maxMemoryBytes: z
      .number()
      .int()
      .min(128 * 1024 * 1024)
      .default(DEFAULT_MAX_MEMORY_BYTES)
      .describe('resident memory of the process of one foreign model; beyond it the process is ended'),
    callTimeoutMs: z.number().int().min(10).max(600_000).default(DEFAULT_CALL_TIMEOUT_MS).describe('time for one call'),
    loadTimeoutMs: z
      .number()
      .int()
      .min(100)
      .max(600_000)
      .default(DEFAULT_LOAD_TIMEOUT_MS)
      .describe('time to start the process and load the model'),
    maxWaitingCalls: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(DEFAULT_MAX_WAITING_CALLS)
      .describe('calls that may wait for one model; more are refused'),
    maxModels: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .default(DEFAULT_MAX_MODELS)
      .describe('foreign models that have a process at once, one that takes the place of another counted too; more are refused'),
    backoffMs: z
      .number()
      .int()
      .min(1)
      .max(60_000)
      .default(DEFAULT_BACKOFF_MS)
      .describe('first pause before a restart after a crash; it doubles with each further one'),
    maxBackoffMs: z.number().int().min(1).max(3_600_000).default(DEFAULT_MAX_BACKOFF_MS).describe('longest pause before a restart'),
  })
  .strict()

export type ForeignModelsConfig = z.infer<typeof foreignModelsSchema>

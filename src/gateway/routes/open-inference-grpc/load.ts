import type { InferenceService, InferenceServiceOptions } from './service.ts'

/** The library takes longer to load than most commands of the command line take to run, and only a server needs it. */
export async function loadInferenceService(): Promise<(options: InferenceServiceOptions) => InferenceService> {
  return (await import('./service.ts')).inferenceService
}

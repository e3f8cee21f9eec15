export { Cancellation } from './cancellation.ts'
export { isStricter } from './decide-again.ts'
export { conditionRequest, decisionContext, noteAnswer } from './decide.ts'
export type { FilterCosts, House } from './house.ts'
export { callerDetails } from './inference-event.ts'
export { keyedDigest } from './keyed-digest.ts'
export { infer } from './pipeline.ts'
export type { Reply } from './reply.ts'
export { RunningStreams, SWEEP_INTERVAL_MS } from './running-streams.ts'
export type { Received } from './states.ts'
export {
  type Context,
  contextBehind,
  type CrossingCounts,
  NO_CONTEXT,
  type StreamedCrossing,
  streamedCrossings,
} from './streamed-crossing.ts'
export { refusalOf, challengeOf } from './step-up.ts'
export { exceededError, takeFor } from './take-limits.ts'
export type {
  Call,
  HeldStream,
  Rendered,
  ServeIo,
  Served,
  StreamOut,
  StreamServed,
  Surface,
  SurfaceAsk,
  TextFilter,
  TextOrigin,
  UnreadablePart,
  Usage,
  WholeServed,
} from './surface.ts'

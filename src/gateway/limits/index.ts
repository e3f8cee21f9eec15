export { limitHeaders } from './limit-headers.ts'
export { type Exceeded, type LimitAsk, type Limits, type LimitState, openLimits, type Taken } from './limits.ts'

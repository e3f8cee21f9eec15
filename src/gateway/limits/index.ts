export { limitHeaders } from './limit-headers.ts'
export { type Exceeded, type LimitAsk, type Limits, type LimitState, openLimits, type Taken } from './limits.ts'
export { type LimitSuggestion, type PastCall, suggestLimits, type SuggestOptions } from './suggest.ts'

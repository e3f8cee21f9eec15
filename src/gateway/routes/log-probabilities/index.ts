export { StreamedTokens } from './streamed-text.ts'
export { nameOf, readTokens, type SpelledToken, writeTokens } from './tokens.ts'
export { unchangedTokens } from './whole-text.ts'

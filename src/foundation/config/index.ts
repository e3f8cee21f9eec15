export { checkConfiguration, loadConfiguration } from './load.ts'
export { configurationReference } from './reference.ts'
export { resolveSecret, secretReference } from './secret-reference.ts'

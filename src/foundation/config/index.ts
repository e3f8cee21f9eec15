export { checkConfiguration, loadConfiguration } from './load.ts'
export { configurationReference } from './reference.ts'
export { resolveSecret, resolveTrusted, secretReference } from './secret-reference.ts'

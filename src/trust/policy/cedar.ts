import type * as cedarWasm from '@cedar-policy/cedar-wasm/nodejs'
import { RedoubtError } from '#foundation/core'

export type Cedar = typeof cedarWasm

/** Cedar's own implementation. Loaded when first asked for, because its WASM costs start-up time that offline commands need not pay. */
export async function loadCedar(): Promise<Cedar> {
  try {
    return await import('@cedar-policy/cedar-wasm/nodejs')
  } catch (cause) {
    throw new RedoubtError('ERR_INTERNAL', 'the Cedar validator cannot be loaded', { cause })
  }
}

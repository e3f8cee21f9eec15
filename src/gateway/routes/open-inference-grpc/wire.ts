import { fileURLToPath } from 'node:url'
import type { MethodDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** The description of the interface that is served, for clients too. */
export const PROTO_FILE = fileURLToPath(new URL('open_inference.proto', import.meta.url))

/** 64-bit integers as text, for JavaScript's numbers lose digits. */
type Int64 = string | number

export interface InferParameter {
  readonly parameter_choice?: 'bool_param' | 'int64_param' | 'string_param' | 'double_param' | 'uint64_param'
  readonly bool_param?: boolean
  readonly int64_param?: Int64
  readonly string_param?: string
  readonly double_param?: number
  readonly uint64_param?: Int64
}
type Parameters = Readonly<Record<string, InferParameter>>

export interface TensorContents {
  readonly bool_contents?: readonly boolean[]
  readonly int_contents?: readonly number[]
  readonly int64_contents?: readonly Int64[]
  readonly uint_contents?: readonly number[]
  readonly uint64_contents?: readonly Int64[]
  readonly fp32_contents?: readonly number[]
  readonly fp64_contents?: readonly number[]
  readonly bytes_contents?: readonly Uint8Array[]
}

export interface WireTensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly Int64[]
  readonly parameters?: Parameters
  readonly contents?: TensorContents | null
}

export interface ModelInferRequest {
  readonly model_name: string
  readonly model_version: string
  readonly id: string
  readonly parameters: Parameters
  readonly inputs: readonly WireTensor[]
  readonly outputs: readonly { readonly name: string; readonly parameters?: Parameters }[]
  readonly raw_input_contents: readonly Uint8Array[]
}

export interface ModelInferResponse {
  readonly model_name: string
  readonly model_version: string
  readonly id: string
  readonly outputs: readonly WireTensor[]
  readonly raw_output_contents: readonly Uint8Array[]
}

export const SERVICE = 'inference.GRPCInferenceService'
export const METHODS = ['ServerLive', 'ServerReady', 'ModelReady', 'ServerMetadata', 'ModelMetadata', 'ModelInfer'] as const
export type Method = (typeof METHODS)[number]

/** One unary method with the codecs of its messages. */
export type Unary = MethodDefinition<object, object>

/** Reads the description and makes the codecs of all methods. */
export function loadMethods(): Readonly<Record<Method, Unary>> {
  const loaded = loadSync(PROTO_FILE, { keepCase: true, longs: String, defaults: true, arrays: true, objects: true, oneofs: true })
  return loaded[SERVICE] as unknown as Readonly<Record<Method, Unary>>
}

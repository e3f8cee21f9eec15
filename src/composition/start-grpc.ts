import { loadInferenceService } from '#gateway/routes'
import type { Certificates } from './certificates.ts'
import type { Configuration } from './configuration.ts'
import type { GrpcListener } from './grpc-listener.ts'

type InferenceServiceOptions = Parameters<Awaited<ReturnType<typeof loadInferenceService>>>[0]

/** Serves the Open Inference Protocol over gRPC where the configuration wants it. Loaded when it is needed: commands need none of it. */
export async function startGrpc(
  { server }: Pick<Configuration, 'server'>,
  rooms: Omit<InferenceServiceOptions, 'connectionOf'> & { readonly certificates: Certificates },
): Promise<GrpcListener | null> {
  if (!server.grpc) return null
  const [inferenceService, { listenGrpc }] = await Promise.all([loadInferenceService(), import('./grpc-listener.ts')])
  const { clock, logger } = rooms.house
  const place = { address: server.address, port: server.grpcPort ?? 0, certificates: rooms.certificates, clock, logger }
  return listenGrpc(place, (connectionOf) => inferenceService({ ...rooms, connectionOf }))
}

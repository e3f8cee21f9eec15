import type { Registry } from '#assets/registry'
import type { House } from '#gateway/pipeline'
import type { Route } from '#gateway/routes'
import type { ModelServer } from '#gateway/serving'
import { type ControlPlane, createApi } from '#interfaces/api'
import { SourceAddresses } from '#trust/conditions'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import type { GrpcListener } from './grpc-listener.ts'
import type { Door } from './open-door.ts'
import { createHandler, routeTable, type RouteTableOptions } from './route-table.ts'
import { startGrpc } from './start-grpc.ts'
import { VERSION } from './version.ts'

interface RouteParts extends Omit<RouteTableOptions, 'api'> {
  readonly configuration: Configuration
  readonly house: House
  readonly plane: ControlPlane
  readonly models: ModelServer
  readonly registry: Registry
  readonly door: Pick<Door, 'certificates' | 'open'>
}

interface Served {
  readonly routes: readonly Route[]
  /** Null where gRPC is not served. */
  readonly grpc: GrpcListener | null
}

/** Opens the control plane, has the door answer by the table of routes, and serves gRPC beside it. */
export async function openRoutes({ configuration, plane, door, ...parts }: RouteParts, closers: Closers): Promise<Served> {
  const { house, models, registry, readiness } = parts
  const api = await createApi(plane)
  closers.push(() => api.close())
  const table = { ...parts, api }
  const routes = routeTable(table)
  const hosts = new Set(configuration.server.names.map((name) => name.toLowerCase()))
  const { trustedProxies, clientCertificateHeader } = configuration.server
  const sources = new SourceAddresses(trustedProxies, clientCertificateHeader ?? null)
  door.open(createHandler(table, routes, hosts, sources))
  const grpc = await startGrpc(configuration, {
    house,
    models,
    registry,
    version: VERSION,
    ready: () => readiness.state === 'ready',
    draining: () => readiness.state === 'draining',
    sources,
    certificates: door.certificates,
  })
  // As the other listener: closed again without patience when the house does not come to stand.
  if (grpc) closers.push(() => grpc.close(0))
  return { routes, grpc }
}

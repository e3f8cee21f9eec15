import type { Registry } from '#assets/registry'
import { resolveSecret, resolveTrusted } from '#foundation/config'
import type { Clock } from '#foundation/core'
import type { OutboundTls } from '#foundation/crypto'
import type { Logger } from '#foundation/telemetry'
import type { RunningStreams } from '#gateway/pipeline'
import { createModelServer, createUpstreams, type ModelServer, type Upstreams } from '#gateway/serving'
import type { Identity } from '#trust/identity'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { languageModels } from './language-models.ts'
import { openLegs } from './legs/open-legs.ts'
import { watchStreams } from './watch-streams.ts'

interface ServingParts {
  readonly configuration: Configuration
  readonly environment: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly logger: Logger
  readonly tls: OutboundTls
  readonly identity: Identity
  readonly registry: Registry
}

export interface Serving {
  readonly models: ModelServer
  readonly upstreams: Upstreams
  /** Whether `assistant` leads to the sandbox responder, for want of a language model. */
  readonly assistantIsSandbox: boolean
  readonly legs: ReturnType<typeof openLegs>
  readonly streams: RunningStreams
}

/** The models that answer, here and upstream, and what cuts a stream that may not go on. */
export async function openServing(parts: ServingParts, closers: Closers): Promise<Serving> {
  const { configuration, environment, clock, logger, tls, identity, registry } = parts
  const models = createModelServer({ clock, logger, foreign: configuration.foreignModels })
  closers.push(() => models.close())
  const { config, sandbox, assistantIsSandbox } = await languageModels(configuration, environment)
  if (sandbox) closers.push(() => sandbox.close())
  const legs = openLegs({ configuration, upstreams: config.upstreams, resolveTrusted, clock })
  const upstreams = createUpstreams({ config, resolveSecret, resolveTrusted, clock, logger, tls })
  closers.push(() => upstreams.close())
  const streams = watchStreams({ identity, registry, models }, closers)
  return { models, upstreams, assistantIsSandbox, legs, streams }
}

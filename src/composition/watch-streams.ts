import type { Registry } from '#assets/registry'
import { RunningStreams, SWEEP_INTERVAL_MS } from '#gateway/pipeline'
import type { ModelServer } from '#gateway/serving'
import type { Identity } from '#trust/identity'
import type { Closers } from './closers.ts'

interface Watched {
  readonly identity: Identity
  readonly registry: Pick<Registry, 'onChange'>
  readonly models: Pick<ModelServer, 'get' | 'unload'>
}

/** What is looked at again while it runs: every so often, and at once when a token is revoked or a model changes (B8). */
export function watchStreams({ identity, registry, models }: Watched, closers: Pick<Closers, 'push'>): RunningStreams {
  const streams = new RunningStreams(identity)
  const sweep = setInterval(() => streams.sweep(), SWEEP_INTERVAL_MS)
  sweep.unref()
  closers.push(() => clearInterval(sweep))
  identity.onRevocation(() => streams.sweep())
  registry.onChange((version) => {
    // What is quarantined, or found not to be what was signed, is out of service before anyone asks again.
    if ((version.quarantined || !version.signed) && models.get(version.name)?.version.version === version.version)
      models.unload(version.name)
    streams.sweep()
  })
  return streams
}

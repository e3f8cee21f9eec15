import { configuration } from './composition/configuration.ts'
import { serve } from './composition/serve.ts'

/** `node src/main.ts`: serves with the configuration of the environment; `redoubt up` does the same with options. */
await serve(() => configuration({}))

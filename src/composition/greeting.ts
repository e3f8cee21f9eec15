import { fileURLToPath } from 'node:url'
import type { Server } from './compose.ts'
import type { Configuration } from './configuration.ts'

/** The shim of this checkout or package, by its whole path: the next command is typed in another terminal, in any folder. */
const BIN = fileURLToPath(new URL('../../bin/redoubt', import.meta.url))
const quoted = (path: string): string => (/^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)

/** What a person sees when the server is ready: where, whom to enrol, how to trust, what works next as printed. */
export function greeting(
  server: Pick<Server, 'url' | 'caPath' | 'enrolmentLink' | 'grpcPort' | 'sandbox'>,
  configuration: Configuration,
): string {
  const redoubt = `REDOUBT_DATA_DIR=${quoted(configuration.dataDir)} ${quoted(BIN)}`
  const ca = quoted(server.caPath)
  const lines = [
    '',
    `  Redoubt serves at ${server.url}`,
    ...(server.grpcPort === null
      ? []
      : [`  and the Open Inference Protocol over gRPC at ${new URL(server.url).hostname}:${server.grpcPort}`]),
    '',
    ...(server.enrolmentLink === null
      ? []
      : [
          `  Enrol the administrator’s security key (one use, ${configuration.identity.enrolmentLinkMinutes} minutes):`,
          `    ${server.enrolmentLink}`,
          '',
        ]),
    '  Make browsers and tools trust the local CA:',
    `    ${redoubt} trust`,
    `    or use it by file: ${ca}`,
    '',
    // In production there is no bootstrap account: what comes next is a person.
    ...(configuration.profile === 'development'
      ? [
          '  Ask the starter model:',
          `    curl --cacert ${ca} ${server.url}/v2/models/credit/infer \\`,
          `      -H "authorization: Bearer $(${redoubt} token)" -H 'content-type: application/json' \\`,
          `      -d '${exampleCall()}'`,
        ]
      : ['  Then sign in, so that commands act as you:', `    ${redoubt} login`]),
    '',
    ...(server.sandbox
      ? ['  The language model `assistant` is a sandbox responder; set OPENAI_BASE_URL and OPENAI_API_KEY for a real one.']
      : []),
    ...(configuration.profile === 'development'
      ? ['  Profile `development`: secrets were generated on this host. Not for real data.']
      : []),
    '',
  ]
  return `${lines.join('\n')}\n`
}

/** One row of the starter data, as a client sends it. */
export function exampleCall(): string {
  const column = (name: string, datatype: string, value: string | number) => ({ name, shape: [1, 1], datatype, data: [value] })
  return JSON.stringify({
    inputs: [
      column('age', 'INT64', 41),
      column('income', 'INT64', 38_000),
      column('amount', 'INT64', 9_500),
      column('duration_months', 'INT64', 36),
      column('employment', 'BYTES', 'permanent'),
      column('purpose', 'BYTES', 'car'),
      column('late_payments', 'INT64', 1),
    ],
  })
}

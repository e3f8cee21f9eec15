import { createApi, type ControlPlane } from '#interfaces/api'
import { OPEN_ROUTES } from '#trust/identity'
import { routeTable, type RouteTableOptions } from '../../src/composition/route-table.ts'
import { VERSION } from '../../src/composition/version.ts'
import { GENERATED_NOTE, type GeneratedFile, markdownTable } from './generated-file.ts'

const SURFACES: readonly { readonly title: string; readonly note: string; readonly has: (path: string) => boolean }[] = [
  {
    title: 'Anthropic',
    note: 'Messages as Anthropic defines them, in one piece or as server-sent events, in front of an upstream that speaks them. The token may come as `x-api-key`.',
    has: (path) => path === '/v1/messages' || path.startsWith('/v1/messages/'),
  },
  {
    title: 'OpenAI',
    note: 'Chat completions, responses (without memory), completions and embeddings as OpenAI defines them, in one piece or as server-sent events. `docs/guides/clients.md` has each client, `docs/guides/own-upstream.md` says what is enforced.',
    has: (path) => path.startsWith('/v1/'),
  },
  {
    title: 'Open Inference Protocol',
    note: 'Predictive models, each under its own name. `subject` in `parameters` names the person whom the rows are about.',
    has: (path) => path === '/v2' || path.startsWith('/v2/'),
  },
  {
    title: 'Control plane',
    note: 'JSON in and out, errors as RFC 9457; `GET /api/openapi.json` describes every body. Long operations answer NDJSON: progress, then a result or an error.',
    has: (path) => path.startsWith('/api/'),
  },
  {
    title: 'OAuth and enrolment',
    note: 'See `docs/guides/service-identities.md`.',
    has: (path) => path.startsWith('/oauth/') || path.startsWith('/.well-known/') || path.startsWith('/enrol/'),
  },
  { title: 'Log', note: 'C2SP tlog-tiles; see `docs/reference/audit-log.md`.', has: (path) => path.startsWith('/log/') },
  { title: 'State', note: 'For orchestrators and Prometheus.', has: () => true },
]

/** The page of all routes, from the very table that the server routes by. No server is started: the table is built around empty rooms. */
export async function httpPage(): Promise<GeneratedFile> {
  const api = await createApi({ version: VERSION } as unknown as ControlPlane)
  const summaries = new Map(api.routes.map(({ method, path, summary }) => [`${method} ${path}`, summary]))
  const empty = { house: { clock: {} }, api, identity: { paths: OPEN_ROUTES }, readiness: {} }
  const routes = routeTable(empty as unknown as RouteTableOptions)
  await api.close()

  const left = new Set(routes)
  const tables = SURFACES.map(({ title, note, has }) => {
    const rows = [...left]
      .filter((route) => has(route.path))
      .map((route) => {
        left.delete(route)
        const access = route.access === 'token' ? 'token' : `open: ${route.access.open}`
        return [route.method, `\`${route.path}\``, access, summaries.get(`${route.method} ${route.path}`) ?? '']
      })
    const told = rows.some((row) => row[3] !== '')
    const shown = rows.map((row) => (told ? row : row.slice(0, 3)))
    return `## ${title}\n\n${note}\n\n${markdownTable(['method', 'path', 'access', ...(told ? ['what it does'] : [])], shown)}`
  })
  const open = routes.filter((route) => route.access !== 'token').length
  return {
    path: 'docs/reference/http.md',
    text: `${GENERATED_NOTE}

# HTTP

One TLS 1.3 port, HTTP/1.1. This is the table that the server routes by: ${routes.length} routes, ${open} of them open to anyone, each with its reason. What is not in
it is refused (\`ERR_ROUTE_UNKNOWN\`, \`ERR_METHOD_NOT_ALLOWED\`). \`token\` means \`authorization: Bearer …\`, followed by a decision of the policies that is
recorded before anything is done. Every answer carries \`x-request-id\`; refusals of an inference carry \`redoubt-log-index\`, their entry in the log.

The Open Inference Protocol is served over gRPC too, on a port of its own (8444 unless configured), TLS 1.3, HTTP/2: \`ServerLive\` and \`ServerReady\` open to
anyone, \`ServerMetadata\`, \`ModelReady\`, \`ModelMetadata\` and \`ModelInfer\` with a token. \`docs/guides/clients.md\` has an example.

${tables.join('\n\n')}
`,
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyError, type FastifyRequest } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { asRedoubtError, newId, parseStrictJson, RedoubtError, problemOf } from '#foundation/core'
import { challengeOf } from '#gateway/pipeline'
import { collectBody } from '#gateway/routes'
import { accessReviewRoutes } from './access-review-routes.ts'
import { accessRoutes } from './access-routes.ts'
import { alertRoutes } from './alert-routes.ts'
import { approvalRoutes } from './approval-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import { breakGlassRoutes } from './break-glass-routes.ts'
import { collectionRoutes } from './collection-routes.ts'
import { confidentialRoutes } from './confidential-routes.ts'
import type { ControlPlane } from './control-plane.ts'
import { datasetRoutes } from './dataset-routes.ts'
import { authenticate, demand, systemPart } from './guard.ts'
import { erasureRoutes } from './erasure-routes.ts'
import { holdRoutes } from './hold-routes.ts'
import { explanationRoutes } from './explanation-routes.ts'
import { HeavyWork, type Lanes } from './heavy-work.ts'
import { keyRoutes } from './key-routes.ts'
import { limitRoutes } from './limit-routes.ts'
import { modelRoutes } from './model-routes.ts'
import { pipelineRoutes } from './pipeline-routes.ts'
import { transformRunRoutes } from './transform-run-routes.ts'
import { transformRoutes } from './transform-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { reviewRoutes } from './review-routes.ts'
import { rowRoutes } from './row-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { userRoutes } from './user-routes.ts'
import { filterRoutes } from './filter-routes.ts'
import { vaultRoutes } from './vault-routes.ts'

const MAX_JSON_BYTES = 512 * 1024
const MAX_JSON_DEPTH = 16
const NOTHING = z.strictObject({})
const NO_BODY = NOTHING.nullish()
/** Routes that anyone may call, with the reason: part of the reviewed list. */
const OPEN_ROUTES = new Map([['/api/openapi.json', 'describes the interface, holds no data']])

/** A row of the table that tests and the reference page enumerate. */
export interface ApiRoute {
  readonly method: string
  readonly path: string
  /** Why anyone may call it; null where a token is demanded. */
  readonly open: string | null
  readonly summary: string
}

export interface Api {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  readonly routes: readonly ApiRoute[]
  close(): Promise<void>
}

/** The control plane under `/api`: Fastify with zod schemas, unknown fields refused, RFC 9457 errors, every route behind a token. */
export async function createApi(plane: ControlPlane): Promise<Api> {
  const app = Fastify({
    bodyLimit: MAX_JSON_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: false },
    genReqId: () => newId('req'),
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.decorateRequest('principal', null)
  app.decorateRequest('redoubtRequestId', '')
  app.decorateRequest('exceptionUsed', null)
  // Fastify reads text/plain too unless told otherwise.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', async (_request: FastifyRequest, payload: IncomingMessage) =>
    parseStrictJson(await collectBody(payload, MAX_JSON_BYTES, plane.bodyTimeoutMs), {
      maxBytes: MAX_JSON_BYTES,
      maxDepth: MAX_JSON_DEPTH,
    }),
  )
  // Rows and model files are read as streams, by their routes alone.
  app.addContentTypeParser(['text/csv', 'application/octet-stream', 'application/x-ndjson'], (_request, payload, done) =>
    done(null, payload),
  )

  const routes: ApiRoute[] = []
  app.addHook('onRoute', (route) => {
    // What a route does not describe it does not take.
    route.schema = { querystring: NOTHING, ...(route.method === 'GET' ? {} : { body: NO_BODY }), ...route.schema }
    const { summary = '' } = route.schema as { summary?: string }
    for (const method of [route.method].flat()) routes.push({ method, path: route.url, open: OPEN_ROUTES.get(route.url) ?? null, summary })
  })
  app.addHook('onRequest', async (request, reply) => {
    request.redoubtRequestId = request.id
    void reply.header('x-request-id', request.id).header('cache-control', 'no-store')
    if (!OPEN_ROUTES.has(request.routeOptions.url ?? '')) request.principal = authenticate(plane, request, reply)
  })
  app.setErrorHandler((thrown: FastifyError | RedoubtError, request, reply) => {
    const error = translated(thrown)
    if (error.status >= 500) plane.logger.warn({ requestId: request.id, code: error.code, err: error.cause ?? error }, 'request failed')
    // What the caller is not told of the reason, whoever runs the server is.
    else if (error.cause !== undefined) plane.logger.info({ requestId: request.id, code: error.code, err: error.cause }, 'request refused')
    const { retryAfterMs } = error.evidence
    if (error.status === 503 && typeof retryAfterMs === 'number') void reply.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    if (error.status === 408) void reply.header('connection', 'close')
    if (error.status === 401) void reply.header('www-authenticate', challengeOf(error))
    void reply
      .code(error.status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(error, request.id)))
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new RedoubtError('ERR_ROUTE_UNKNOWN')
    void reply
      .code(error.status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(error, request.id)))
  })

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Redoubt control plane', version: plane.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })
  const lanes: Lanes = { trainings: new HeavyWork(), transforms: new HeavyWork(), uploads: new HeavyWork(), downloads: new HeavyWork() }
  for (const group of [
    accessRoutes,
    datasetRoutes,
    rowRoutes,
    collectionRoutes,
    confidentialRoutes,
    modelRoutes,
    pipelineRoutes,
    transformRoutes,
    transformRunRoutes,
    explanationRoutes,
    keyRoutes,
    auditRoutes,
    policyRoutes,
    limitRoutes,
    filterRoutes,
    vaultRoutes,
    alertRoutes,
    userRoutes,
    sessionRoutes,
    approvalRoutes,
    breakGlassRoutes,
    accessReviewRoutes,
    reviewRoutes,
    erasureRoutes,
    holdRoutes,
  ])
    await app.register(group(plane, lanes), { prefix: '/api/v1' })
  app.get('/api/v1/status', { schema: { summary: 'What the server knows of its own state' } }, async (request) => {
    await demand(plane, request, 'view', systemPart('status'))
    return plane.status()
  })
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.ready()
  return { handle: (request, response) => app.routing(request, response), routes, close: () => app.close() }
}

function translated(thrown: FastifyError | RedoubtError): RedoubtError {
  if (thrown instanceof RedoubtError) return thrown
  if (thrown.validation) {
    const problems = thrown.validation.map(
      (issue) => `\`${issue.instancePath.replaceAll('/', '.').replace(/^\./, '') || '(top)'}\`: ${issue.message ?? 'invalid'}`,
    )
    return new RedoubtError('ERR_INPUT_INVALID', problems.join('; '))
  }
  switch (thrown.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new RedoubtError('ERR_INPUT_TOO_LARGE')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new RedoubtError('ERR_INPUT_CONTENT_TYPE')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new RedoubtError('ERR_INPUT_MALFORMED')
    default:
      return thrown.statusCode === 400 ? new RedoubtError('ERR_INPUT_MALFORMED') : asRedoubtError(thrown)
  }
}

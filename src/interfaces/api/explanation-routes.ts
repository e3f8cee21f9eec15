import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type Decision, type EntityUid, type JsonObject, RedoubtError } from '#foundation/core'
import { explainRow, type ExplainedValue, type RowExplanation } from '#gateway/serving'
import { keyedDigest } from '#gateway/pipeline'
import { readRecordedRow } from '#gateway/routes'
import type { ModelVersion, OpenOptions } from '#assets/registry'
import type { Principal } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'
import { takeForRow } from './explanation-limits.ts'
import { type Asked, callerOf, demand, demandTogether, mayGoOn, theLog } from './guard.ts'
import type { Lanes } from './heavy-work.ts'
import { objectName } from './names.ts'

/** Wider rows are refused before they are looked at. */
const MAX_COLUMNS = 2_000
const MAX_TEXT = 4_096
const value = z.union([z.string().max(MAX_TEXT), z.number(), z.null()])
const rowBody = z.strictObject({
  version: z.number().int().min(1).optional(),
  row: z.record(z.string().min(1).max(256), value).refine((row) => Object.keys(row).length <= MAX_COLUMNS, 'too many columns'),
})
/** What it takes for a prediction to be the one that was recorded: rounding alone lies between. */
const SAME_PROBABILITY = 1e-5

/** Why a model decides as it does: of a row, and of a decision that was made and recorded (D2). */
export const explanationRoutes =
  (plane: ControlPlane, lanes: Lanes): FastifyPluginAsyncZod =>
  async (app) => {
    /** Verified over the very bytes, a few at a time, and only while the caller still may. */
    const explain = async (
      request: FastifyRequest,
      principal: Principal,
      version: ModelVersion,
      values: readonly ExplainedValue[],
      options: OpenOptions = {},
      refused = mayGoOn(plane, request, 'explain', () => plane.registry.facts(version)),
    ): Promise<RowExplanation> => {
      const { type, id } = principal.facts
      const use = {
        principal: { type, id },
        purpose: principal.purpose,
        resource: { type: 'Model', id: version.name },
        requestId: request.redoubtRequestId,
      }
      const work = async (): Promise<RowExplanation> => explainRow(await plane.registry.openVerified(version, use, options), values)
      const explanation = await lanes.downloads.run(work, undefined, `${type}::${id}`)
      const reason = refused()
      if (reason) throw reason
      return explanation
    }

    app.post(
      '/models/:name/explain',
      {
        schema: {
          summary: 'Explain a row: the contribution of each column to the log-odds, relative to a typical row of the training data',
          params: z.strictObject({ name: objectName }),
          body: rowBody,
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const { version: wanted, row } = request.body
        const version =
          wanted === undefined ? (plane.registry.deployed(name) ?? plane.registry.get(name)) : plane.registry.get(name, wanted)
        if (!version)
          throw new RedoubtError('ERR_MODEL_UNKNOWN', `there is no model \`${name}\`${wanted === undefined ? '' : ` version ${wanted}`}`)
        const { decision, refused } = await demandScore(plane, request, version)
        const principal = callerOf(request)
        const values = valuesOf(row, version)
        await takeForRow(plane, request, reply, plane.registry.facts(version), decision)
        const { type, id } = principal.facts
        await plane.audit.record({
          type: 'inference.explanation',
          actor: { type, id },
          action: 'explain',
          resource: { type: 'Model', id: name },
          outcome: 'success',
          requestId: request.redoubtRequestId,
          purpose: principal.purpose,
          // No person is named: that the same row was asked again is told by its digest alone.
          details: {
            version: version.version,
            digest: version.digest,
            inputDigest: keyedDigest(plane.digestKey, JSON.stringify(values)),
            columns: values.length,
          },
        })
        const explanation = await explain(request, principal, version, values, {}, refused)
        return { model: name, version: version.version, digest: version.digest, ...explanation }
      },
    )

    app.get(
      '/audit/explanations/:requestId',
      {
        schema: {
          summary:
            'Explain a recorded prediction about a person, from what was sealed under the person’s key; that it was looked at is recorded',
          params: z.strictObject({ requestId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }),
          querystring: z.strictObject({ row: z.coerce.number().int().min(1).max(100).default(1) }),
        },
      },
      async (request) => {
        const { requestId } = request.params
        const [found] = plane.log.search({ type: 'inference.completion', requestId, limit: 1 }).entries
        if (found === undefined) throw new RedoubtError('ERR_NOT_FOUND', 'the record has no prediction with this request id')
        const { index, event } = found
        const version = decidedBy(plane, event)
        if (version === null) {
          // There is no model to ask the policies about: it is told to whoever made the call, and to those who read the record.
          if (!sameUid(event['actor'], callerOf(request).facts)) await demand(plane, request, 'readAudit', theLog)
          throw new RedoubtError(
            'ERR_EXPLANATION',
            `the version that decided was removed, and only it could explain: ${decider(event)}. The record of the decision stays`,
          )
        }
        const principal = await demand(plane, request, 'explain', plane.registry.facts(version), { meant: { requestId, index } })
        // Whoever asked saw row and answer; to look into what others asked is to read the record.
        if (!sameUid(event['actor'], principal.facts)) await demand(plane, request, 'readAudit', theLog)
        const [personal] = await plane.log.openPersonal(index)
        if (!personal) throw new RedoubtError('ERR_EXPLANATION', 'the call named no person, so of what it was about only a digest was kept')
        await plane.audit.record({
          type: 'inference.explanation',
          actor: { type: principal.facts.type, id: principal.facts.id },
          action: 'explain',
          resource: { type: 'Model', id: version.name },
          outcome: personal.fields === null ? 'failed' : 'success',
          ...(personal.fields === null ? { code: 'ERR_KEYS_DESTROYED' as const } : {}),
          requestId: request.redoubtRequestId,
          purpose: principal.purpose,
          // The person is found by it: who looked at what was decided about them.
          details: { of: requestId, index, version: version.version, subjects: [personal.subject] },
        })
        if (personal.fields === null)
          throw new RedoubtError(
            'ERR_KEYS_DESTROYED',
            'the key of the person was destroyed: what was decided about them cannot be read any more',
          )
        const row = request.query.row - 1
        const values = readRecordedRow(personal.fields['inputs'], version.inputs, row)
        if (values === null)
          throw new RedoubtError(
            'ERR_EXPLANATION',
            'what this was decided from was not kept: the call had fewer or too many rows, or the model was made elsewhere',
          )
        // When a version is quarantined is when people ask what it decided before: nothing new is asked of it.
        const explanation = await explain(request, principal, version, values, { evenQuarantined: true })
        const recorded = probabilityOf(personal.fields, row)
        return {
          requestId,
          index,
          time: event['time'],
          model: version.name,
          version: version.version,
          digest: version.digest,
          quarantined: version.quarantined,
          subject: personal.subject,
          row: request.query.row,
          recordedProbability: recorded,
          // Whether the explained score is the one that was answered.
          reproduced: recorded !== null && Math.abs(recorded - explanation.probability) <= SAME_PROBABILITY,
          ...explanation,
        }
      },
    )
  }

interface Demanded {
  /** On explaining. */
  readonly decision: Decision
  /** Null while the work may go on. */
  readonly refused: () => RedoubtError | null
}

/**
 * An explanation tells the score: whoever has one must be allowed to ask the model, without a person who looks at the answer first, and
 * in production a version that was approved to serve, unless they read the record and so look into versions as auditors do.
 * @throws {RedoubtError} the first no.
 */
async function demandScore(plane: ControlPlane, request: FastifyRequest, version: ModelVersion): Promise<Demanded> {
  const facts = () => plane.registry.facts(version)
  const questions: Asked[] = [
    { action: 'explain', resource: facts, about: {} },
    { action: 'invoke', resource: facts, about: {} },
  ]
  if (plane.profile === 'production' && plane.registry.deployed(version.name)?.version !== version.version)
    questions.push({ action: 'readAudit', resource: () => theLog, about: {} })
  const { decisions, mayGoOn: refused } = await demandTogether(plane, request, questions)
  if (decisions.every(({ obligations }) => obligations.review === undefined)) return { decision: decisions[0]!, refused }
  const { facts: principal, purpose } = callerOf(request)
  const refusal = new RedoubtError(
    'ERR_POLICY_DENIED',
    'a person looks at what this model answers you before you have it, and an explanation tells the answer: ask the model, and explain the decision once it was released',
  )
  await plane.audit.record({
    type: 'inference.explanation',
    actor: { type: principal.type, id: principal.id },
    action: 'explain',
    resource: { type: 'Model', id: version.name },
    outcome: 'refused',
    code: refusal.code,
    requestId: request.redoubtRequestId,
    purpose,
    details: { version: version.version, digest: version.digest },
  })
  throw refusal
}

/** The version that the entry says decided, by its digest too; null when it was removed. */
function decidedBy({ registry }: ControlPlane, event: JsonObject): ModelVersion | null {
  const details = (event['details'] ?? {}) as JsonObject
  const { type, id } = (event['resource'] ?? {}) as Partial<EntityUid>
  const number = details['version']
  if (type !== 'Model' || typeof id !== 'string' || typeof number !== 'number') return null
  const version = registry.get(id, number)
  return version?.digest === details['digest'] ? version : null
}

/** The model, version and digest that an entry names. */
function decider(event: JsonObject): string {
  const { version, digest } = (event['details'] ?? {}) as JsonObject
  const { id } = (event['resource'] ?? {}) as Partial<EntityUid>
  return `\`${id ?? ''}\` version ${typeof version === 'number' ? version : '?'}, digest ${typeof digest === 'string' ? digest : '?'}`
}

function sameUid(actor: unknown, { type, id }: EntityUid): boolean {
  const found = (actor ?? {}) as Partial<EntityUid>
  return found.type === type && found.id === id
}

function probabilityOf(fields: JsonObject, row: number): number | null {
  const outputs = fields['prediction']
  if (!Array.isArray(outputs)) return null
  const found = (outputs as readonly { readonly name?: unknown; readonly data?: unknown }[]).find(({ name }) => name === 'probability')
  const text: unknown = Array.isArray(found?.data) ? found.data[row] : undefined
  const probability = typeof text === 'string' && text !== '' ? Number(text) : Number.NaN
  return Number.isFinite(probability) ? probability : null
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` unless the row names each input once and nothing else. */
function valuesOf(row: Readonly<Record<string, ExplainedValue>>, { inputs }: ModelVersion): readonly ExplainedValue[] {
  for (const name of Object.keys(row))
    if (!inputs.some((spec) => spec.name === name)) throw new RedoubtError('ERR_INPUT_INVALID', `the model has no input \`${name}\``)
  return inputs.map(({ name, datatype }) => {
    const found = Object.hasOwn(row, name) ? row[name] : undefined
    if (found === undefined) throw new RedoubtError('ERR_INPUT_INVALID', `the row has no \`${name}\`; null stands for a missing value`)
    if (found !== null && (typeof found === 'string') !== (datatype === 'BYTES'))
      throw new RedoubtError('ERR_INPUT_INVALID', `\`${name}\` wants ${datatype === 'BYTES' ? 'a text' : 'a number'}`)
    // As it travels, so that the value that is explained is the one that the model sees.
    if (datatype === 'FP32' && typeof found === 'number') return Math.fround(found)
    return found === '' ? null : found
  })
}

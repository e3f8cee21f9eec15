import { createHash } from 'node:crypto'
import type { ErrorCode } from '#foundation/core'
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import type { Artifacts } from '../artifacts.ts'
import type { Person, Session } from '../people/people.ts'

/** Artifacts whose id opens something for whoever shows it. Only its digest is stored, so that the database opens nothing. */
const BEARER_MODELS = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'Interaction'])
/** Kept for each access token of a person, so that a family that is ended takes its tokens along. */
export const ISSUED_TOKEN = 'IssuedToken'

export interface FlowArtifactsOptions {
  readonly artifacts: Artifacts
  /** The session that a browser brought, while it lasts, with its owner. */
  readonly session: (id: string) => { readonly session: Session; readonly person: Person } | null
  /** Ends an access token for this process at once, durably when it resolves. */
  readonly revokeToken: (id: string, expiresAt: number) => Promise<unknown>
  /** A code or refresh token came twice at the same moment; its family is ended when this resolves. */
  readonly replayed: (code: ErrorCode, payload: AdapterPayload) => Promise<void>
}

export const digestOf = (id: string): string => createHash('sha256').update(id).digest('base64url')

/**
 * Where oidc-provider keeps what belongs to people's flows. It sees our sessions and can change none of them: who signed in, when and
 * how is for the room of people to say.
 * @returns null for a model that is not of these flows.
 */
export function flowAdapter(model: string, options: FlowArtifactsOptions): Adapter | null {
  if (model === 'Session') return sessions(options)
  if (model === 'AccessToken') return accessTokens(options)
  return BEARER_MODELS.has(model) ? bearer(model, options) : null
}

function bearer(model: string, { artifacts, replayed }: FlowArtifactsOptions): Adapter {
  const inner = artifacts.adapter(model)
  const whole = (id: string, payload: AdapterPayload | undefined): AdapterPayload | undefined =>
    payload === undefined ? undefined : { ...payload, jti: id }
  return {
    ...inner,
    async upsert(id, payload, expiresIn) {
      // The library would ask for proofs that it was told not to look at; the family has the key (`family-keys.ts`).
      const { jti: _, dpopJkt: __, ...kept } = payload
      await inner.upsert(digestOf(id), kept, expiresIn)
    },
    find: async (id) => whole(id, await inner.find(digestOf(id))),
    // Neither is used: user codes are looked up by our own page, and interactions by their id.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    async consume(id) {
      // The library reads first and writes later, which two simultaneous requests can both pass; here one of them fails.
      if (await artifacts.consume(model, digestOf(id))) return
      const payload = await inner.find(digestOf(id))
      if (payload !== undefined) await replayed(model === 'RefreshToken' ? 'ERR_REFRESH_REUSED' : 'ERR_CODE_REPLAYED', payload)
      throw new errors.InvalidGrant('already used')
    },
    destroy: (id) => inner.destroy(digestOf(id)),
  }
}

function sessions({ session }: FlowArtifactsOptions): Adapter {
  const project = (id: string): AdapterPayload | undefined => {
    const found = session(id)
    if (found === null) return undefined
    const { mfaLevel, amr, authTime, expiresAt, createdAt } = found.session
    return {
      kind: 'Session',
      jti: id,
      uid: id,
      accountId: found.person.id,
      loginTs: Math.floor(authTime / 1000),
      acr: String(mfaLevel),
      amr: [...amr],
      iat: Math.floor(createdAt / 1000),
      exp: Math.ceil(expiresAt / 1000),
    }
  }
  const nothing = async (): Promise<undefined> => undefined
  return {
    find: async (id) => project(id),
    findByUid: async (uid) => project(uid),
    findByUserCode: nothing,
    upsert: nothing,
    consume: nothing,
    destroy: nothing,
    revokeByGrantId: nothing,
  }
}

function accessTokens({ artifacts, revokeToken }: FlowArtifactsOptions): Adapter {
  const nothing = async (): Promise<undefined> => undefined
  return {
    find: nothing,
    findByUid: nothing,
    findByUserCode: nothing,
    upsert: nothing,
    consume: nothing,
    destroy: nothing,
    async revokeByGrantId(grantId) {
      // Read before anything is awaited: the other models of the family are deleted at the same time.
      const issued = artifacts.ofGrant(ISSUED_TOKEN, grantId)
      await Promise.all(issued.map(({ id, expiresAt }) => revokeToken(id, expiresAt)))
    },
  }
}

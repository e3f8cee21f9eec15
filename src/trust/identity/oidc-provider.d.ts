/** The part of oidc-provider that this room uses; the package ships no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface AdapterPayload {
    readonly grantId?: string
    readonly userCode?: string
    readonly uid?: string
    readonly [member: string]: unknown
  }

  export interface Adapter {
    upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void>
    find(id: string): Promise<AdapterPayload | undefined>
    findByUid(uid: string): Promise<AdapterPayload | undefined>
    findByUserCode(code: string): Promise<AdapterPayload | undefined>
    consume(id: string): Promise<void>
    destroy(id: string): Promise<void>
    revokeByGrantId(grantId: string): Promise<void>
  }

  export interface OidcContext {
    body: unknown
    type: string
    get(header: string): string
    set(header: string, value: string): void
    readonly oidc: {
      readonly route: string
      readonly provider: Provider
      readonly params: Readonly<Record<string, unknown>>
      readonly client: { readonly clientId: string }
      readonly session: { readonly uid: string; readonly accountId: string }
      readonly result?: { readonly consent?: { readonly grantId?: string }; readonly login?: object }
      readonly entities: { readonly RefreshToken?: { readonly sessionUid?: string; readonly consumed?: unknown } }
    }
  }

  /** What is known of a request that failed; any of it may be missing. */
  export interface FailedContext {
    readonly oidc?: Partial<OidcContext['oidc']>
  }

  export interface IssuedToken {
    readonly kind: string
    readonly clientId: string
    readonly jti: string
  }

  /** An access token of a person. */
  export interface PersonToken extends IssuedToken {
    readonly accountId?: string
    readonly sessionUid?: string
    readonly grantId?: string
  }

  export interface StructuredToken {
    header: Record<string, unknown> | undefined
    payload: Record<string, unknown>
  }

  /** An authorization request that waits for a person. */
  export interface Interaction {
    readonly uid: string
    readonly exp: number
    readonly params: Readonly<Record<string, unknown>>
    readonly prompt: { readonly name: string; readonly reasons: readonly string[] }
    readonly session?: { readonly accountId?: string; uid?: string }
    readonly lastSubmission?: Readonly<Record<string, unknown>>
    result?: Readonly<Record<string, unknown>>
    persist(): Promise<unknown>
  }

  interface Grant {
    readonly jti: string
    addOIDCScope(scope: string): void
    save(): Promise<string>
  }

  interface RefreshToken {
    readonly clientId: string
    readonly accountId: string
    readonly sessionUid?: string
    readonly grantId: string
  }

  type Listener = (ctx: FailedContext, error: Error & { readonly error?: string; readonly error_detail?: string }) => void

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    proxy: boolean
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
    on(event: 'grant.error' | 'authorization.error' | 'device_authorization.error' | 'server_error', listener: Listener): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'grant.success', listener: (ctx: OidcContext) => void): this
    on(event: 'device_authorization.success', listener: (ctx: FailedContext, answer: Record<string, unknown>) => void): this
    readonly Interaction: { find(uid: string): Promise<Interaction | undefined> }
    readonly RefreshToken: { find(token: string, options?: { readonly ignoreExpiration: boolean }): Promise<RefreshToken | undefined> }
    readonly Grant: {
      new (owner: { readonly accountId: string; readonly clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
  }

  export const errors: {
    readonly InvalidClientAuth: new (detail: string) => Error
    readonly InvalidGrant: new (detail: string) => Error
    readonly InvalidRequest: new (description: string) => Error
    readonly InvalidTarget: new () => Error
  }

  export const interactionPolicy: {
    readonly Check: new (reason: string, description: string, error: string, check: (ctx: OidcContext) => boolean) => object
    base(): { get(name: 'login' | 'consent'): { readonly checks: { add(check: object): void } } }
  }
}

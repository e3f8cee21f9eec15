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
    readonly oidc?: {
      readonly params?: { readonly client_id?: unknown; readonly client_assertion?: unknown }
      readonly client?: { readonly clientId: string }
    }
  }

  export interface IssuedToken {
    readonly kind: string
    readonly clientId: string
    readonly jti: string
  }

  export interface StructuredToken {
    header: Record<string, unknown> | undefined
    payload: Record<string, unknown>
  }

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    proxy: boolean
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
    on(event: 'grant.error' | 'server_error', listener: (ctx: OidcContext, error: Error & { readonly error?: string }) => void): this
    on(event: 'error', listener: (error: Error) => void): this
  }

  export const errors: {
    readonly InvalidClientAuth: new (detail: string) => Error
    readonly InvalidTarget: new () => Error
  }
}

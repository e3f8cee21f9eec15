import type { TLSSocket } from 'node:tls'
import type { Metadata } from '@grpc/grpc-js'
import { RedoubtError } from '#foundation/core'
import type { SourceAddresses } from '#trust/conditions'
import { certificateOfConnection, type Credentials } from '#trust/identity'
import { SERVICE } from './wire.ts'

/** What of a call says who makes it. */
export interface Calling {
  readonly metadata: Metadata
  /** `ADDRESS:PORT` of the other end. */
  getPeer(): string
}

/** The connection of a peer; null when it is gone. */
export type ConnectionOf = (peer: string) => TLSSocket | null

/** What tells who is at the other end of a call. */
export interface OtherEnds {
  readonly sources: Pick<SourceAddresses, 'behind' | 'isProxy'>
  readonly connectionOf: ConnectionOf
}

/** All that a call says about who makes it, as `credentialsOf` of HTTP. */
export function credentialsOf(call: Calling, method: string, { connectionOf, sources }: OtherEnds): Credentials {
  const all = call.metadata.get('authorization')
  const proofs = call.metadata.get('dpop')
  return {
    authorization: all[0]?.toString(),
    authorizationCount: all.length,
    url: `/${SERVICE}/${method}`,
    possession: {
      method: 'POST',
      proof: proofs[0]?.toString(),
      proofCount: proofs.length,
      certificate() {
        const socket = connectionOf(call.getPeer())
        // A proxy's certificate is not the caller's, and in a call none is forwarded.
        return socket === null || sources.isProxy(socket.remoteAddress ?? '') ? null : certificateOfConnection(socket)
      },
      setHeader: () => undefined,
    },
  }
}

/** Where a call comes from, behind proxies that the operator named. */
export function whence(call: Calling, options: OtherEnds): { readonly sourceAddress: string; readonly userAgent: string | undefined } {
  const forwarded = single(call.metadata, 'forwarded')
  const xForwardedFor = single(call.metadata, 'x-forwarded-for')
  const headers = {
    ...(forwarded === undefined ? {} : { forwarded }),
    ...(xForwardedFor === undefined ? {} : { 'x-forwarded-for': xForwardedFor }),
  }
  const address = options.connectionOf(call.getPeer())?.remoteAddress ?? ''
  return { sourceAddress: options.sources.behind(address, headers), userAgent: single(call.metadata, 'user-agent') }
}

/**
 * The value of a name that says for whom or for what a call is. HTTP/2 hands several on as one with commas between them, so one that holds a comma is none:
 * a subject with a comma goes into `parameters`.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for several, which others could read otherwise.
 */
export function atMostOne(metadata: Metadata, name: string): string | undefined {
  const value = single(metadata, name)
  if (value?.includes(',')) throw new RedoubtError('ERR_INPUT_INVALID', `the metadata \`${name}\` is sent twice, or holds a comma`)
  return value
}

/** All values of one name, as HTTP joins them. */
export function single(metadata: Metadata, name: string): string | undefined {
  const all = metadata.get(name)
  return all.length === 0 ? undefined : all.map(String).join(',')
}

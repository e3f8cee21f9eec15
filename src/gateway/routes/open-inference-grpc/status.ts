import { status } from '@grpc/grpc-js'
import type { RedoubtError } from '#foundation/core'

/** gRPC's word for each HTTP status of the error table. @see grpc/grpc doc/statuscodes.md */
const STATUS_OF: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  405: status.UNIMPLEMENTED,
  408: status.DEADLINE_EXCEEDED,
  409: status.ABORTED,
  410: status.NOT_FOUND,
  413: status.RESOURCE_EXHAUSTED,
  415: status.INVALID_ARGUMENT,
  421: status.INVALID_ARGUMENT,
  422: status.FAILED_PRECONDITION,
  429: status.RESOURCE_EXHAUSTED,
  499: status.CANCELLED,
  500: status.INTERNAL,
  502: status.UNAVAILABLE,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
  507: status.RESOURCE_EXHAUSTED,
}

/** @param http status of an entry of the error table. */
export const grpcStatus = (http: number): status => STATUS_OF[http] ?? status.INTERNAL

/** What the client reads as the message of the status; the code comes first so that programs need not read the sentence. */
export const statusDetails = (error: Pick<RedoubtError, 'code' | 'message' | 'next'>): string =>
  `${error.code}: ${error.message}: ${error.next}`

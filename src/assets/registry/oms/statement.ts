import { createHash } from 'node:crypto'
import { canonicalJson, parseStrictJsonText, RedoubtError, type JsonObject, type JsonValue } from '#foundation/core'
import { failure, isObject, MAX_BUNDLE_BYTES, type Failure } from './bundle.ts'

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const PREDICATE_TYPE = 'https://model_signing/signature/v1.0'
const MAX_STATEMENT_DEPTH = 8
const SHA256_HEX = /^[0-9a-f]{64}$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** One signed file of a model. */
export interface SignedResource {
  readonly name: string
  /** SHA-256 of its bytes, hex. */
  readonly digest: string
}

/** What a statement says, after its own consistency was checked. */
export interface Statement {
  readonly name: string
  readonly resources: readonly SignedResource[]
  /** Paths that the signer left out on purpose, signed with the rest. */
  readonly ignorePaths: readonly string[]
}

/**
 * SHA-256 over the concatenated raw digests of the resources, sorted by name.
 * @see OMS v1.0 §5 (root digest)
 */
export function rootDigest(resources: readonly SignedResource[]): string {
  const hash = createHash('sha256')
  for (const { digest } of sortedByName(resources)) hash.update(digest, 'hex')
  return hash.digest('hex')
}

export function writeStatement(statement: Statement): Uint8Array {
  const resources = sortedByName(statement.resources)
  return Buffer.from(
    canonicalJson({
      _type: STATEMENT_TYPE,
      subject: [{ name: statement.name, digest: { sha256: rootDigest(resources) } }],
      predicateType: PREDICATE_TYPE,
      predicate: {
        resources: resources.map(({ name, digest }) => ({ algorithm: 'sha256', name, digest })),
        serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: [...statement.ignorePaths] },
      },
    }),
  )
}

/** Parses the payload of an envelope whose signature holds; a signed statement may still be nonsense. Never throws. */
export function parseStatement(payload: Uint8Array): Statement | Failure {
  let document: JsonValue
  try {
    document = parseStrictJsonText(utf8.decode(payload), { maxBytes: MAX_BUNDLE_BYTES, maxDepth: MAX_STATEMENT_DEPTH })
  } catch (thrown) {
    return failure('statement', thrown instanceof RedoubtError ? thrown.message : 'the statement is not UTF-8')
  }
  if (!isObject(document) || document['_type'] !== STATEMENT_TYPE) return failure('statement', 'the payload is not an in-toto v1 statement')
  if (document['predicateType'] !== PREDICATE_TYPE) return failure('statement', `the predicate type is not ${PREDICATE_TYPE}`)
  const predicate = document['predicate']
  if (!isObject(predicate)) return failure('statement', 'the statement has no predicate')
  const serialization = predicate['serialization']
  if (!isObject(serialization)) return failure('statement', 'the predicate does not name its serialization')
  if (serialization['method'] !== 'files' || serialization['hash_type'] !== 'sha256')
    return failure('statement', 'the serialization is not one SHA-256 digest a file')
  const ignorePaths = serialization['ignore_paths'] ?? []
  if (!Array.isArray(ignorePaths) || !ignorePaths.every((path) => typeof path === 'string'))
    return failure('statement', 'the ignored paths are not texts')
  const resources = parseResources(predicate['resources'])
  if ('verified' in resources) return resources
  const subjects = document['subject']
  const subject = Array.isArray(subjects) && subjects.length === 1 ? (subjects[0] as JsonValue) : undefined
  if (!isObject(subject) || typeof subject['name'] !== 'string')
    return failure('statement', 'the statement does not have exactly one subject')
  const { digest } = subject
  if (!isObject(digest) || digest['sha256'] !== rootDigest(resources))
    return failure('statement', 'the root digest does not follow from the resources')
  return { name: subject['name'], resources, ignorePaths }
}

function parseResources(value: JsonValue | undefined): readonly SignedResource[] | Failure {
  if (!Array.isArray(value) || value.length === 0) return failure('statement', 'the predicate has no resources')
  const resources: SignedResource[] = []
  const seen = new Set<string>()
  for (const entry of value as readonly JsonObject[]) {
    if (!isObject(entry) || entry['algorithm'] !== 'sha256') return failure('statement', 'a resource is not hashed with SHA-256')
    const { name, digest } = entry
    if (typeof name !== 'string' || typeof digest !== 'string' || !SHA256_HEX.test(digest))
      return failure('statement', 'a resource has no name or no digest')
    if (seen.has(name)) return failure('statement', 'a resource is named twice')
    seen.add(name)
    resources.push({ name, digest })
  }
  return resources
}

/** By Unicode code points, as Python sorts text. */
function sortedByName(resources: readonly SignedResource[]): readonly SignedResource[] {
  return [...resources].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
}

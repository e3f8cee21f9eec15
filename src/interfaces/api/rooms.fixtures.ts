/** Rooms that obey the test, and note what is asked of them. */
import {
  type AuditEvent,
  type ConditionSource,
  type Decision,
  type DecisionQuery,
  type ErrorCode,
  NOTHING_REMARKABLE,
  RedoubtError,
  systemClock,
} from '#foundation/core'
import { silentLogger } from '#foundation/telemetry'
import { fingerprintKey } from '#gateway/filters'
import { localTime } from '#trust/conditions'
import type { Principal } from '#trust/identity'
import type { ControlPlane } from './control-plane.ts'

export const TOKEN = 'Bearer good'
const version = {
  lineage: { person: { type: 'User', id: 'maker' }, dataset: { name: 'credit', rows: { condition: 'c', admitted: 7, of: 4711 } } },
  name: 'credit',
  version: 1,
  columns: [],
  subject: null,
  rows: 0,
  quarantined: false,
  purposes: ['audit'],
  sensitivity: 'internal',
  digest: 'd',
  label: null,
}
const pipeline = {
  name: 'one',
  version: 1,
  digest: 'e'.repeat(64),
  builtIn: false,
  dataset: 'credit',
  model: 'credit',
  algorithm: 'logistic',
  parameters: {},
  leaveOut: [],
  seed: 1,
  author: { type: 'User', id: 'writer' },
  createdAt: 1,
}
const transform = {
  name: 'one',
  version: 1,
  digest: 'f'.repeat(64),
  definition: { from: 'credit', steps: [{ select: ['a'] }], to: { dataset: 'made' } },
  author: { type: 'User', id: 'writer' },
  createdAt: 1,
}
const transformRun = { id: `run_${'A'.repeat(22)}`, transform, target: 'made', by: transform.author, state: 'running', rows: 0, beganAt: 1, endedAt: null, made: null, code: null } // prettier-ignore
const collection = {
  name: 'collected',
  columns: [{ name: 'a', type: 'text', nullable: false }],
  state: 'open',
  collectors: [],
}
export const caller: Principal = {
  facts: { type: 'ServiceAccount', id: 'caller', attributes: {}, parents: [] },
  name: 'caller',
  roles: ['auditor'],
  purpose: 'audit',
  legalBasis: 'contract',
  mfaLevel: 2,
  authTime: null,
  sessionId: null,
  tokenBinding: 'none',
  onBehalfBy: '',
  token: { id: 'token-1', issuer: 'https://localhost', expiresAt: 1 },
}

const approval = {
  principal: { type: 'User', id: 'other' },
  resourceFacts: { type: 'Model', id: 'credit', attributes: {}, parents: [] },
  payload: '{}',
  votes: [],
}

/** What a test may set. */
export interface Knobs {
  /** What the policies say. */
  effect: 'allow' | 'deny'
  /** Says it in place of `effect`, when it is set. */
  rule: ((query: DecisionQuery) => boolean) | null
  /** Who the token speaks for. */
  caller: Principal
  logDown: boolean
  /** What the next thing done throws. */
  failure: unknown
  /** How first rows are read, when it is set. */
  first: ((signal: AbortSignal) => Promise<never>) | null
  /** What the rows of a data set are, when it is set: groups of one column `a` of texts. */
  groups: (() => AsyncIterable<unknown>) | null
  /** What an export of the log gives before its closing line, when it is set. */
  lines: (() => AsyncIterable<Buffer>) | null
}

/** What the rooms were asked. */
export interface Told {
  readonly events: AuditEvent[]
  readonly queries: DecisionQuery[]
  /** Everything that a room was asked to do or to tell, beyond the look-ups that a decision needs. */
  readonly done: string[]
  /** Whether each request was allowed, as the conditions were told. */
  readonly noted: boolean[]
}

export const RESTORED = { token: `[[EMAIL_ADDRESS_${'b'.repeat(24)}]]`, entity: 'EMAIL_ADDRESS', value: 'jane@example.com' }

async function* noGroups(): AsyncGenerator {}

export function obedientRooms(knobs: Knobs, told: Told): ControlPlane {
  const act = (what: string, answer: unknown = {}): (() => unknown) => {
    return () => {
      told.done.push(what)
      if (knobs.failure !== null) throw knobs.failure
      return answer
    }
  }
  const facts =
    (type: string) =>
    ({ name }: { name: string }) => ({ type, id: name, attributes: {}, parents: [] })
  const decide = (query: DecisionQuery): Decision => {
    told.queries.push(query)
    const effect = knobs.rule === null ? knobs.effect : knobs.rule(query) ? 'allow' : 'deny'
    const code = effect === 'allow' ? null : 'ERR_POLICY_DENIED'
    const obligations = { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null }
    return { effect, policies: ['p'], errors: [], code, obligations, policySet: 'set' }
  }
  return {
    identity: {
      stillValid: () => null,
      authenticate: ({ authorization, authorizationCount }: { authorization?: string; authorizationCount: number }) =>
        authorization === TOKEN && authorizationCount === 1
          ? knobs.caller
          : { code: (authorization === undefined ? 'ERR_TOKEN_MISSING' : 'ERR_TOKEN_SIGNATURE') satisfies ErrorCode },
      serviceAccounts: {
        create: act('create account', { account: {}, privateKeyJwk: {} }),
        list: act('list accounts', []),
        get: () => null,
        disable: act('disable account'),
        replaceKey: act('replace key', { account: {}, privateKeyJwk: {} }),
        principal: () => caller,
      },
      createEnrolmentLink: act('create enrolment link'),
      people: {
        list: act('list people', []),
        find: () => version,
        isMadeBy: () => false,
        factorsOf: act('list factors', []),
        loginNameOf: async () => 'ada',
        create: act('create person', { person: {}, link: {} }),
        disable: act('disable person'),
        enable: act('enable person'),
        change: act('change person'),
        removeFactor: act('remove factor'),
        enrolment: { createLink: act('create person link'), ownLink: act('create own link') },
        lostKey: {
          request: act('request recovery'),
          // Looked at for the question to the policies.
          list: () => [],
          approve: act('approve recovery'),
          deny: act('deny recovery'),
        },
        sessions: {
          get: (id: string) => ({ id, userId: `user_${'B'.repeat(22)}` }),
          list: act('list sessions', []),
          end: act('end session'),
        },
      },
    },
    policies: {
      decide,
      engine: { digest: 'digest', why: act('explain') },
      list: act('list policies', []),
      tables: act('list tables', []),
      put: act('put policy', { before: 'digest', after: 'digest', cases: 0 }),
      remove: act('remove policy', { before: 'digest', after: 'digest', cases: 0 }),
      reload: act('reload policies', { before: 'digest', after: 'digest', cases: 0 }),
    },
    audit: {
      async record(event: AuditEvent) {
        if (knobs.logDown) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        told.events.push(event)
        return { index: told.events.length - 1, leafHash: '' }
      },
    },
    log: {
      search: act('search log', { entries: [], next: null }),
      entry: act('read entry'),
      openPersonal: act('open personal fields', []),
      prove: act('prove'),
      publish: act('publish', 'note'),
      beginExport: async () => {
        act('begin export')()
        async function* lines(ended: (end: object) => Promise<unknown>): AsyncGenerator<Buffer> {
          if (knobs.lines) yield* knobs.lines()
          await ended({ entries: 0, digest: '' })
          yield Buffer.from('{"closing":{}}\n')
        }
        return { kind: 'range', facts: { kind: 'range', selection: {} }, sent: { entries: 7 }, chunks: lines }
      },
      size: () => 10,
      verifierKey: () => 'key',
    },
    vault: { restore: act('restore tokens', { values: [RESTORED], subjects: ['pseudonym-of-jane'] }) },
    alerts: {
      list: act('list alerts', { alerts: [], next: null }),
      acknowledge: act('acknowledge alert', {}),
      test: act('test places', []),
    },
    exceptions: {
      approvals: () => null,
      breakGlass: () => null,
      spend: () => false,
      stillApproved: () => 0,
      fourEyes: {
        offer: () => null,
        list: act('list approvals', []),
        get: () => approval,
        request: act('request approval'),
        approve: act('approve', approval),
        deny: act('deny', approval),
        withdraw: act('withdraw', approval),
      },
      grants: {
        get: () => ({ principal: { type: 'User', id: 'other' } }),
        list: act('list grants', []),
        start: act('start grant'),
        end: act('end grant'),
        review: act('review grant'),
      },
      accessReviews: {
        get: () => ({ items: [{ item: 1, account: { type: 'ServiceAccount', id: 'other' } }] }),
        list: act('list access reviews', []),
        start: act('start access review'),
        attest: act('attest'),
        revoke: act('revoke'),
      },
    },
    reviews: {
      list: act('list reviews', []),
      get: () => ({ resource: { type: 'Model', id: 'credit' }, asker: { type: 'User', id: 'other' } }),
      open: act('open review', {}),
      release: act('release review', {}),
      reject: act('reject review', {}),
      override: act('override review', {}),
    },
    accessReviewDays: 14,
    digestKey: new Uint8Array(32),
    root: { reseal: act('reseal', undefined), providers: act('list providers', []) },
    holds: {
      demandNone: () => undefined,
      heldSubjects: () => [],
      list: act('list holds', []),
      get: () => ({ kind: 'subject', target: 'pseudonym' }),
      set: act('set hold'),
      lift: act('lift hold'),
    },
    erasures: {
      eraseSubject: act('erase subject'),
      shred: act('shred dataset'),
      list: act('list erasures', []),
      certificate: act('read certificate', '{}'),
      certificateKey: act('read certificate key', 'pem'),
    },
    pseudonym: (subject: string) => `pseudonym of ${subject}`,
    keys: { list: act('list keys', []), rotate: act('rotate key'), destroySubject: act('destroy subject') },
    rotation: { run: async () => undefined, progress: act('tell rotation', {}) },
    reconciliation: { run: act('reconcile keys', {}) },
    datasets: {
      list: () => [version],
      get: (name: string) => (name === 'absent' ? null : version),
      facts: facts('Dataset'),
      import: act('import', version),
      scan: act('read scan', null),
      derivedFrom: () => null,
      demandNotHeld: async () => undefined,
      remove: act('remove dataset'),
      erasedSince: () => null,
      read: () => {
        act('read dataset')()
        const groups = knobs.groups?.() ?? noGroups()
        const facts = {
          columns: [{ name: 'a', type: 'text' }],
          masked: [],
          hidden: [],
          condition: null,
          tally: { read: 0, admitted: 0, failed: 0 },
        }
        return { ...facts, subject: null, withSubjects: groups, [Symbol.asyncIterator]: () => groups[Symbol.asyncIterator]() }
      },
      first: async (...[, , , { signal }]: readonly [unknown, unknown, unknown, { readonly signal: AbortSignal }]) => {
        act('read rows')()
        if (knobs.first) return knobs.first(signal)
        return { columns: [], masked: [], hidden: [], condition: null, rows: [], failed: 0, more: false }
      },
      exported: async () => act('record export')(),
    },
    collections: {
      list: () => [collection],
      get: (name: string) => (name === 'collected' ? collection : null),
      facts: facts('Dataset'),
      create: act('create collection', collection),
      pending: act('count pending rows', { rows: 0, bytes: 0, batches: 0 }),
      admit: () => () => undefined,
      append: act('append rows', { batch: 'rows_1', rows: 1, known: false }),
      cut: act('cut', version),
      close: act('close collection', null),
      setCollectors: act('set collectors', collection),
      remove: async () => undefined,
    },
    pipelines: {
      list: () => [pipeline],
      get: (name: string) => (name === 'absent' ? null : pipeline),
      versions: () => [pipeline],
      authors: () => [pipeline.author],
      save: act('save pipeline', pipeline),
      recordRun: async () => (act('record run')(), async () => undefined),
    },
    transforms: {
      list: () => [transform],
      get: (name: string) => (name === 'absent' ? null : transform),
      versions: () => [transform],
      save: act('save transform', transform),
      recordCancel: async () => act('record cancellation')(),
    },
    transformRuns: {
      list: () => [transformRun],
      get: () => transformRun,
      cancel: act('cancel run', transformRun),
      open: () => ({ id: transformRun.id, signal: new AbortController().signal, begun: () => undefined, progress: () => undefined, ended: () => undefined }), // prettier-ignore
    },
    runTransform: act('run transform', version),
    confidential: {
      key: fingerprintKey(new Uint8Array(32)),
      list: act('list confidential', []),
      bytes: 0,
      add: act('register confidential'),
      train: act('train confidential'),
      remove: act('remove confidential'),
    },
    registry: {
      list: () => [version],
      get: (name: string) => (name === 'absent' ? null : version),
      deployed: () => null,
      facts: facts('Model'),
      register: act('register', version),
      deploy: act('deploy'),
      rollback: act('rollback'),
      rollbackRefusal: () => new RedoubtError('ERR_MODEL_ROLLBACK'),
      rollbackTarget: () => version,
      deploymentHistory: () => [],
      quarantine: act('quarantine'),
      remove: act('remove model'),
      signature: act('read signature', '{}'),
    },
    models: { unload: act('unload') },
    limits: { take: () => ({ allowed: true, states: [], settle: () => undefined }) },
    clock: systemClock,
    localTime: localTime('UTC'),
    conditions: {
      ...NOTHING_REMARKABLE,
      note: (...[, , allowed]: Parameters<ConditionSource['note']>) => void told.noted.push(allowed),
      explain: act('explain risk', {}),
    },
    logger: silentLogger,
    profile: 'production',
    version: '1.0.0',
    bodyTimeoutMs: 1_000,
    endpoints: [],
    status: act('status'),
    legs: act('probe legs', []),
  } as unknown as ControlPlane
}

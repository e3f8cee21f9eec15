import { beforeAll, describe, expect, it } from 'vitest'
import { type Action, ACTIONS, type DecisionContext, type EntityFacts, type EntityUid, ROLES } from '#foundation/core'
import { loadPolicies, type PolicyEngine } from './index.ts'
import { account, bare, context, dataset, endpoint, model, pipeline, query, role, transform, withAttributes } from './policy-fixtures.ts'

let engine: PolicyEngine
beforeAll(async () => {
  engine = await loadPolicies()
})

const RESOURCES: readonly EntityFacts[] = [
  dataset,
  model,
  endpoint,
  ...['Key', 'Log', 'System'].map((type) => bare(type)),
  pipeline,
  transform,
  bare('Account'),
]

function code(
  roleName: string | null,
  action: Action,
  resource: EntityFacts,
  change: Partial<DecisionContext> = {},
  type = 'ServiceAccount',
): string {
  const decision = engine.decide(query({ principal: account(roleName, { type }), action, resource, context: change }))
  return decision.code ?? 'allow'
}

describe('the bundled policies', () => {
  it('load without a warning', () => {
    expect(engine.warnings).toEqual([])
  })

  it('allow nothing to an account without a role, or with a role that no policy names (B1)', () => {
    for (const principal of [account(null), account('wizard')]) {
      for (const action of ACTIONS) {
        for (const resource of RESOURCES) {
          for (const profile of ['development', 'production'] as const) {
            expect(engine.decide(query({ principal, action, resource, context: { profile } })).effect, `${action} ${resource.type}`).toBe(
              'deny',
            )
          }
        }
      }
    }
  })

  it('allow each role exactly these acts in production, with fitting purpose and two factors (B2)', () => {
    const allowed = ROLES.map((name) => [
      name,
      ACTIONS.flatMap((action) => {
        const on = RESOURCES.filter((resource) => code(name, action, resource, { mfaLevel: 2, approvals: 2 }) === 'allow').map(
          (resource) => resource.type,
        )
        return on.length > 0 ? [`${action}: ${on.join(' ')}`] : []
      }),
    ])
    expect(Object.fromEntries(allowed)).toMatchInlineSnapshot(`
      {
        "administrator": [
          "view: Model Endpoint Key Log System Pipeline Transform Account",
          "import: Dataset System",
          "rotateKey: Key System",
          "manageAccess: System Account",
          "administer: Dataset Model Endpoint Key Log System Pipeline Transform Account",
          "respond: System",
          "approve: System Account",
          "cancelTransform: Transform",
        ],
        "application": [
          "invoke: Model Endpoint",
          "view: Model Endpoint",
        ],
        "auditor": [
          "view: Model Endpoint Key Log System Pipeline Transform Account",
          "readAudit: Log System",
          "exportAudit: Log System",
        ],
        "bootstrap": [],
        "business-user": [
          "invoke: Model Endpoint",
          "view: Model Endpoint System",
          "explain: Model",
        ],
        "data-scientist": [
          "invoke: Model Endpoint",
          "view: Model Endpoint System Pipeline Transform",
          "trainOn: Dataset",
          "register: Model System",
          "viewMasked: Dataset",
          "query: Dataset",
          "runPipeline: Pipeline",
          "explain: Model",
        ],
        "deployer": [
          "view: Model Endpoint System Pipeline",
          "deploy: Model Endpoint",
          "approve: Model Endpoint",
          "rollback: Model Endpoint",
        ],
        "ml-engineer": [
          "invoke: Model Endpoint",
          "view: Model Endpoint System Pipeline Transform",
          "trainOn: Dataset",
          "import: Dataset System",
          "register: Model System",
          "editPipeline: Pipeline",
          "viewMasked: Dataset",
          "query: Dataset",
          "runPipeline: Pipeline",
          "explain: Model",
          "editTransform: Transform",
          "runTransform: Transform",
          "transform: Dataset",
          "cancelTransform: Transform",
        ],
        "privacy-officer": [
          "view: Dataset Model Endpoint Log System Pipeline Transform Account",
          "erase: Dataset Model System Account",
          "readAudit: Log System",
          "viewMasked: Dataset",
          "query: Dataset",
          "approve: Dataset",
          "explain: Model",
          "destroyKey: Key System",
          "hold: Dataset System",
        ],
        "security-officer": [
          "view: Model Endpoint Key Log System Pipeline Transform Account",
          "rotateKey: Key System",
          "readAudit: Log System",
          "manageAccess: System Account",
          "administer: Model Endpoint",
          "respond: System",
          "approve: Model Endpoint Key Log System Pipeline Transform Account",
          "destroyKey: Key System",
          "exportAudit: Log System",
          "cancelTransform: Transform",
        ],
      }
    `)
  })

  it('let a person with a hardware-bound key, and no program, export restricted data (B2)', () => {
    expect(code('privacy-officer', 'export', dataset, { mfaLevel: 3 }, 'User')).toBe('allow')
    expect(code('privacy-officer', 'export', dataset, { mfaLevel: 2 }, 'User')).toBe('ERR_POLICY_DENIED')
    expect(code('privacy-officer', 'export', dataset, { mfaLevel: 3 })).toBe('ERR_POLICY_DENIED')
    expect(code('privacy-officer', 'export', withAttributes(dataset, { sensitivity: 2 }))).toBe('allow')
  })

  it('let a data scientist view a data set but not export it (B2)', () => {
    const internal = withAttributes(dataset, { sensitivity: 2 })
    expect(code('data-scientist', 'view', internal)).toBe('allow')
    expect(code('data-scientist', 'trainOn', internal)).toBe('allow')
    expect(code('data-scientist', 'export', internal)).toBe('ERR_POLICY_DENIED')
  })

  it('let a data scientist train on restricted rows that only masks are shown of (B2)', () => {
    for (const name of ['data-scientist', 'ml-engineer']) {
      expect(code(name, 'trainOn', dataset)).toBe('allow')
      expect(code(name, 'viewMasked', dataset)).toBe('allow')
      expect(code(name, 'query', dataset)).toBe('allow')
      expect(code(name, 'view', dataset)).toBe('ERR_POLICY_DENIED')
    }
    const { obligations } = engine.decide(query({ principal: account('data-scientist'), action: 'viewMasked', resource: dataset }))
    expect(obligations.columns).toEqual({ default: 'coarse' })
  })

  it('deploy in production only what two others agreed to, whoever asks, and go back without (B2, C11)', () => {
    for (const type of ['User', 'ServiceAccount']) {
      for (const approvals of [0, 1]) expect(code('deployer', 'deploy', model, { approvals, mfaLevel: 3 }, type)).toBe('ERR_POLICY_DENIED')
      expect(code('deployer', 'deploy', model, { approvals: 2, mfaLevel: 3 }, type)).toBe('allow')
      expect(code('deployer', 'deploy', model, { profile: 'development', mfaLevel: 3 }, type)).toBe('allow')
      expect(code('deployer', 'rollback', model, { mfaLevel: 3 }, type)).toBe('allow')
      expect(code('deployer', 'rollback', withAttributes(model, { signed: false }), { mfaLevel: 3 }, type)).toBe('ERR_POLICY_DENIED')
    }
  })

  it('hold a role for a group only where the facts name the role beside it (B2)', () => {
    const inGroup = (parents: readonly EntityUid[]) =>
      engine.decide(query({ principal: account(null, { parents }), action: 'readAudit', resource: bare('Log') })).effect
    const group = { type: 'Group', id: 'revision' }
    expect(inGroup([group, role('auditor')])).toBe('allow')
    expect(inGroup([group])).toBe('deny')
    expect(inGroup([{ type: 'Group', id: 'auditor' }])).toBe('deny')
  })

  it('let a deployer deploy a model but not change its pipeline, and an ML engineer the reverse (B2)', () => {
    expect(code('deployer', 'deploy', model, { approvals: 2 })).toBe('allow')
    expect(code('deployer', 'editPipeline', pipeline, { approvals: 1 })).toBe('ERR_POLICY_DENIED')
    expect(code('deployer', 'runPipeline', pipeline)).toBe('ERR_POLICY_DENIED')
    expect(code('ml-engineer', 'editPipeline', pipeline, { approvals: 1 })).toBe('allow')
    expect(code('ml-engineer', 'editPipeline', pipeline)).toBe('ERR_POLICY_DENIED')
    expect(code('ml-engineer', 'runPipeline', pipeline)).toBe('allow')
    expect(code('ml-engineer', 'deploy', model, { approvals: 2 })).toBe('ERR_POLICY_DENIED')
  })

  it('let an ML engineer change a transform in production that another agreed to, and a deployer neither change nor run one (A9, B2)', () => {
    for (const approvals of [0, 1]) expect(code('deployer', 'editTransform', transform, { approvals })).toBe('ERR_POLICY_DENIED')
    for (const [action, resource] of [
      ['runTransform', transform],
      ['transform', dataset],
    ] as const) {
      expect(code('deployer', action, resource)).toBe('ERR_POLICY_DENIED')
      expect(code('ml-engineer', action, resource)).toBe('allow')
    }
    expect(code('ml-engineer', 'editTransform', transform, { approvals: 1 })).toBe('allow')
    expect(code('ml-engineer', 'editTransform', transform)).toBe('ERR_POLICY_DENIED')
  })

  it('refuse a purpose that the data were not collected for, by its own code (B7)', () => {
    for (const [roleName, action, resource] of [
      ['application', 'invoke', model],
      ['application', 'invoke', endpoint],
      ['data-scientist', 'view', withAttributes(dataset, { sensitivity: 2 })],
      ['data-scientist', 'viewMasked', dataset],
      ['data-scientist', 'query', dataset],
      ['data-scientist', 'trainOn', dataset],
      ['privacy-officer', 'export', withAttributes(dataset, { sensitivity: 2 })],
    ] as const) {
      expect(code(roleName, action, resource), action).toBe('allow')
      expect(code(roleName, action, resource, { purpose: 'marketing' }), action).toBe('ERR_POLICY_PURPOSE')
      expect(code(roleName, action, resource, { purpose: '' }), action).toBe('ERR_POLICY_PURPOSE')
      // A route to a language model holds no data of its own: one that names no purposes serves any stated purpose.
      expect(code(roleName, action, withAttributes(resource, { purposes: [] })), action).toBe(
        resource === endpoint ? 'allow' : 'ERR_POLICY_PURPOSE',
      )
    }
    expect(code('application', 'invoke', withAttributes(endpoint, { purposes: [] }), { purpose: '' })).toBe('ERR_POLICY_PURPOSE')
  })

  it('let any stated purpose use a foreign model for which none was named, and no other model (B7)', () => {
    const unnamed = withAttributes(model, { purposes: [], foreign: true })
    expect(code('application', 'invoke', unnamed)).toBe('allow')
    expect(code('application', 'invoke', unnamed, { purpose: '' })).toBe('ERR_POLICY_PURPOSE')
    expect(code('application', 'invoke', withAttributes(model, { foreign: true }), { purpose: 'marketing' })).toBe('ERR_POLICY_PURPOSE')
    expect(code('application', 'invoke', withAttributes(model, { purposes: [], foreign: false }))).toBe('ERR_POLICY_PURPOSE')
  })

  it('let the bootstrap account put policies in force and register what is confidential in development, and administer nothing else (B1)', () => {
    const policies = { type: 'System', id: 'policies', attributes: {}, parents: [] } as const
    expect(code('bootstrap', 'administer', policies, { profile: 'development' })).toBe('allow')
    expect(code('bootstrap', 'administer', policies)).not.toBe('allow')
    expect(code('bootstrap', 'administer', { ...policies, id: 'confidential' }, { profile: 'development' })).toBe('allow')
    expect(code('bootstrap', 'administer', { ...policies, id: 'confidential' })).not.toBe('allow')
    expect(code('bootstrap', 'administer', { ...policies, id: 'access' }, { profile: 'development' })).not.toBe('allow')
  })

  it('show alerts to those who watch or run the house alone, and let fewer of them answer (E6)', () => {
    const alerts = bare('System', 'alerts')
    const may = (action: Action, change: Partial<DecisionContext>): readonly string[] =>
      ROLES.filter((name) => code(name, action, alerts, change) === 'allow')
    expect(may('view', { mfaLevel: 2 }).toSorted()).toEqual(['administrator', 'auditor', 'privacy-officer', 'security-officer'])
    expect(may('respond', { mfaLevel: 2 }).toSorted()).toEqual(['administrator', 'security-officer'])
    expect(code('bootstrap', 'view', alerts, { profile: 'development' })).toBe('allow')
    expect(code('bootstrap', 'respond', alerts, { profile: 'development' })).toBe('allow')
    expect(code('bootstrap', 'respond', bare('System'), { profile: 'development' })).toBe('ERR_POLICY_DENIED')
  })

  it('show what is registered as confidential to those who watch or run the house alone, and let administrators change it (C7)', () => {
    const confidential = bare('System', 'confidential')
    const may = (action: Action): readonly string[] => ROLES.filter((name) => code(name, action, confidential, { mfaLevel: 2 }) === 'allow')
    expect(may('view').toSorted()).toEqual(['administrator', 'auditor', 'privacy-officer', 'security-officer'])
    expect(may('administer')).toEqual(['administrator'])
  })

  it('refuse data whose legal basis is another (D1)', () => {
    expect(code('data-scientist', 'trainOn', dataset, { legalBasis: 'consent' })).toBe('ERR_POLICY_DENIED')
    expect(code('data-scientist', 'trainOn', withAttributes(dataset, { legalBases: [] }))).toBe('ERR_POLICY_DENIED')
  })

  it('neither serve nor deploy a model that is quarantined (C11)', () => {
    const bad = withAttributes(model, { quarantined: true })
    expect(code('application', 'invoke', bad)).toBe('ERR_POLICY_DENIED')
    expect(code('deployer', 'deploy', bad, { approvals: 2 })).toBe('ERR_POLICY_DENIED')
    expect(code('bootstrap', 'deploy', bad, { profile: 'development' })).toBe('ERR_POLICY_DENIED')
  })

  it('neither serve nor deploy a model that is not signed (C11)', () => {
    const bad = withAttributes(model, { signed: false })
    expect(code('application', 'invoke', bad)).toBe('ERR_POLICY_DENIED')
    expect(code('deployer', 'deploy', bad, { approvals: 2 })).toBe('ERR_POLICY_DENIED')
    expect(code('bootstrap', 'invoke', bad, { profile: 'development' })).toBe('ERR_POLICY_DENIED')
  })

  it('refuse everything to a caller whose risk is above 80 (B8)', () => {
    expect(code('application', 'invoke', model, { risk: 80 })).toBe('allow')
    expect(code('application', 'invoke', model, { risk: 81 })).toBe('ERR_POLICY_DENIED')
    expect(code('bootstrap', 'view', model, { risk: 81, profile: 'development' })).toBe('ERR_POLICY_DENIED')
  })

  it('ask administrators for two factors outside development (B3)', () => {
    for (const type of ['User', 'ServiceAccount']) {
      expect(code('administrator', 'manageAccess', bare('Account'), { mfaLevel: 1 }, type)).toBe('ERR_POLICY_DENIED')
      expect(code('administrator', 'rotateKey', bare('Key'), { mfaLevel: 1 }, type)).toBe('ERR_POLICY_DENIED')
      // A person manages access with a hardware-bound key alone; a program shows no key but its own.
      expect(code('administrator', 'manageAccess', bare('Account'), { mfaLevel: 2 }, type)).toBe(
        type === 'User' ? 'ERR_POLICY_DENIED' : 'allow',
      )
      expect(code('administrator', 'manageAccess', bare('Account'), { mfaLevel: 3 }, type)).toBe('allow')
      expect(code('administrator', 'manageAccess', bare('Account'), { mfaLevel: 0, profile: 'development' }, type)).toBe('allow')
    }
  })

  it('ask people for two factors outside development, and for restricted data always (B3)', () => {
    expect(code('business-user', 'invoke', endpoint, { mfaLevel: 1 }, 'User')).toBe('ERR_POLICY_DENIED')
    expect(code('business-user', 'invoke', endpoint, { mfaLevel: 2 }, 'User')).toBe('allow')
    expect(code('business-user', 'invoke', endpoint, { profile: 'development' }, 'User')).toBe('allow')
    expect(code('business-user', 'invoke', model, { profile: 'development' }, 'User')).toBe('ERR_POLICY_DENIED')
  })

  it('give the bootstrap account what setting up needs in development, and nothing in production (B1)', () => {
    const needed = [
      ['manageAccess', bare('Account')],
      ['import', dataset],
      ['trainOn', dataset],
      ['register', model],
      ['deploy', model],
      ['invoke', model],
      ['invoke', endpoint],
      ['view', dataset],
      ['readAudit', bare('Log')],
      ['useKey', bare('Key')],
      ['erase', dataset],
    ] as const
    for (const [action, resource] of needed) {
      expect(
        code('bootstrap', action, resource, { profile: 'development', purpose: 'set-up', legalBasis: 'legitimate-interests' }),
        action,
      ).toBe('allow')
    }
    for (const action of ACTIONS)
      for (const resource of RESOURCES) expect(code('bootstrap', action, resource, { mfaLevel: 3 })).not.toBe('allow')
    for (const action of ['export', 'editPipeline', 'rotateKey', 'administer'] as const) {
      for (const resource of RESOURCES) expect(code('bootstrap', action, resource, { profile: 'development' })).not.toBe('allow')
    }
  })

  it('do not lend the bootstrap account more through a second role in production (B1)', () => {
    const principal = account('bootstrap', { parents: [role('bootstrap'), role('application')] })
    expect(engine.decide(query({ principal })).code).toBe('ERR_POLICY_DENIED')
  })

  it('let an application with the fitting purpose invoke a restricted model, within limits of at least 100,000 rows an hour and 1,000 a call (C4)', () => {
    const { effect, obligations } = engine.decide(query())
    expect(effect).toBe('allow')
    const rows = obligations.limits.find(({ unit, windowMs }) => unit === 'rows' && windowMs === 3_600_000)
    expect(rows?.amount).toBeGreaterThanOrEqual(100_000)
    expect(obligations.maxRowsPerCall).toBeGreaterThanOrEqual(1000)
  })

  it('mask cards, social security numbers, keys and addresses in what an application reads, and block keys in what it sends (C6)', () => {
    const { obligations } = engine.decide(query({ resource: endpoint }))
    expect(obligations.filterOutput).toMatchObject({
      CREDIT_CARD: 'mask',
      US_SSN: 'mask',
      API_KEY: 'mask',
      EMAIL_ADDRESS: 'mask',
      PHONE_NUMBER: 'mask',
      default: 'mask',
    })
    expect(obligations.filterInput).toMatchObject({ API_KEY: 'block', CREDIT_CARD: 'mask', US_SSN: 'mask' })
  })

  it('filter the output of every permitted invocation (C6)', () => {
    for (const name of ROLES) {
      for (const resource of [model, endpoint]) {
        for (const profile of ['development', 'production'] as const) {
          const { effect, obligations } = engine.decide(query({ principal: account(name), resource, context: { profile } }))
          if (effect === 'allow') expect(obligations.filterOutput['default'], name).toBe('mask')
        }
      }
    }
  })

  it('stand beside an operator policy that excludes the present hour (B7)', async () => {
    const { defaultPolicyFiles } = await import('./index.ts')
    const text = '@id("closed-hour") forbid (principal, action, resource) when { context.hour == 14 };'
    const closed = await engine.replace([...defaultPolicyFiles(), { name: 'hours.cedar', text }])
    expect(closed.decide(query({ context: { hour: 13 } })).effect).toBe('allow')
    const refused = closed.decide(query({ context: { hour: context.hour } }))
    expect(refused).toMatchObject({ effect: 'deny', code: 'ERR_POLICY_DENIED', policies: ['closed-hour'] })
  })
})

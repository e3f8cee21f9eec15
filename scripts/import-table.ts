/**
 * Who may import whom. Floors may import downward only; inside a floor only the pairs listed here.
 * Read by `oxlint.config.ts` (the lock) and `test/architecture.test.ts` (the proof that the lock holds).
 */
const foundation = [
  'foundation/core',
  'foundation/config',
  'foundation/blocks',
  'foundation/storage',
  'foundation/crypto',
  'foundation/telemetry',
] as const
const trust = ['trust/client', 'trust/audit', 'trust/keys', 'trust/conditions', 'trust/identity', 'trust/policy'] as const
const assets = [
  'assets/datasets',
  'assets/collections',
  'assets/registry',
  'assets/training',
  'assets/pipelines',
  'assets/transforms',
] as const
const gateway = ['gateway/serving', 'gateway/limits', 'gateway/filters', 'gateway/pipeline', 'gateway/routes'] as const
const governance = ['governance/alerts', 'governance/approvals', 'governance/oversight', 'governance/erasure'] as const

export const mayImport: Readonly<Record<string, readonly string[]>> = {
  'foundation/core': [],
  'foundation/config': ['foundation/core'],
  'foundation/blocks': [],
  'foundation/storage': ['foundation/core', 'foundation/blocks'],
  'foundation/crypto': ['foundation/core', 'foundation/blocks', 'foundation/storage'],
  'foundation/telemetry': ['foundation/core'],

  'trust/client': foundation,
  'trust/audit': foundation,
  'trust/keys': [...foundation, 'trust/audit'],
  'trust/conditions': foundation,
  'trust/identity': [...foundation, 'trust/client', 'trust/audit', 'trust/keys', 'trust/conditions'],
  'trust/policy': [...foundation, 'trust/audit', 'trust/keys'],

  'assets/datasets': [...foundation, ...trust],
  'assets/collections': [...foundation, ...trust, 'assets/datasets'],
  'assets/registry': [...foundation, ...trust],
  'assets/training': [...foundation, ...trust, 'assets/datasets', 'assets/registry'],
  'assets/pipelines': [...foundation, ...trust, 'assets/training'],
  'assets/transforms': [...foundation, ...trust, 'assets/datasets'],

  'gateway/limits': [...foundation, ...trust],
  'gateway/filters': [...foundation, ...trust],
  'gateway/serving': [...foundation, ...trust, ...assets],
  'gateway/pipeline': [...foundation, ...trust, ...assets, 'gateway/serving', 'gateway/limits', 'gateway/filters'],
  'gateway/routes': [...foundation, ...trust, ...assets, 'gateway/pipeline', 'gateway/serving', 'gateway/filters'],

  'governance/alerts': foundation,
  'governance/approvals': [...foundation, 'trust/keys'],
  'governance/oversight': [...foundation, 'trust/keys', 'governance/approvals'],
  'governance/erasure': [...foundation, 'trust/keys', 'governance/approvals'],

  'interfaces/api': [...foundation, ...trust, ...assets, ...gateway, ...governance],
  'interfaces/commands': [...foundation, ...trust, ...assets, ...gateway, ...governance, 'interfaces/api'],
}

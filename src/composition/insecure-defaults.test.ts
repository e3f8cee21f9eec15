import { describe, expect, it } from 'vitest'
import { type Configuration, configuration } from './configuration.ts'
import { insecureDefaults, refuseInsecure } from './insecure-defaults.ts'

const base = configuration({ port: 0, dataDir: '/nowhere/data' }, {})
const told = (profile: Configuration['profile'], identity: Partial<Configuration['identity']>): readonly string[] =>
  insecureDefaults({ ...base, profile, identity: { ...base.identity, ...identity } }, { sandbox: false, administratorEnrolled: true })
    .filter(({ mend }) => mend.includes('`identity.'))
    .map(({ what, mend }) => `${what}; ${mend}`)

describe('what production is told of the keys of powerful people (B3)', () => {
  const hardwareKeys = ['cb69481e-8ff7-4039-93ec-0a2729a154a8']

  it('is that any passkey will do while no models are named, and what to set', () => {
    expect(told('production', {})).toEqual([expect.stringMatching(/any passkey.*`identity\.hardwareKeys`.*`identity\.attestationRoots`/)])
  })

  it('is that a key’s word is taken for its model while no maker vouches for it', () => {
    expect(told('production', { hardwareKeys })).toEqual([expect.stringMatching(/own word.*`identity\.attestationRoots`/)])
  })

  it('is nothing when both are there; development is told nothing of it', () => {
    expect(told('production', { hardwareKeys, attestationRoots: '/etc/redoubt/key-makers.pem' })).toEqual([])
    expect(told('development', {})).toEqual([])
  })
})

describe('filters that only count (C6)', () => {
  const filters = { ...base.filters, mode: 'dry-run' } as const

  it('keep production from starting, whatever else it names', () => {
    const complete = {
      ...base,
      profile: 'production',
      passphrase: 'env:X' as never,
      audit: { ...base.audit, outsideFolder: '/x' },
    } as const
    expect(() => refuseInsecure(complete)).not.toThrow()
    expect(() => refuseInsecure({ ...complete, filters })).toThrow(/take `filters.mode: dry-run` away/)
  })

  it('are said aloud in development', () => {
    const said = (configuration: Configuration): boolean =>
      insecureDefaults(configuration, { sandbox: false, administratorEnrolled: true }).some(({ mend }) => mend.includes('filters.mode'))
    expect([said(base), said({ ...base, filters })]).toEqual([false, true])
  })
})

describe('a key provider that may be reached without the post-quantum group (A2)', () => {
  it('is said aloud, and needs no passphrase', () => {
    const provider = {
      kind: 'transit',
      url: 'https://bao.example',
      token: 'env:T',
      mount: 'transit',
      keyPrefix: 'redoubt',
      timeoutMs: 1_000,
    } as const
    const said = (hybridGroup: 'required' | 'preferred'): boolean =>
      insecureDefaults(
        { ...base, keys: { ...base.keys, provider: { ...provider, hybridGroup } } },
        { sandbox: false, administratorEnrolled: true },
      ).some(({ mend }) => mend.includes('hybridGroup'))
    expect([said('required'), said('preferred')]).toEqual([false, true])
    const production = { ...base, profile: 'production', audit: { ...base.audit, outsideFolder: '/x' } } as const
    expect(() => refuseInsecure(production)).toThrow(/passphrase/)
    expect(() =>
      refuseInsecure({ ...production, keys: { ...base.keys, provider: { ...provider, hybridGroup: 'required' } } }),
    ).not.toThrow()
  })
})

describe('SoftHSM in the place of an HSM (A4)', () => {
  it('is said aloud; the library of an HSM is not', () => {
    const said = (library: string): boolean => {
      const provider = { kind: 'pkcs11', library, token: 't', pin: 'env:P', sessions: 2, callTimeoutMs: 1_000 } as const
      const configuration = { ...base, keys: { ...base.keys, provider: { ...provider, environment: [] } } }
      const facts = { sandbox: false, administratorEnrolled: true }
      return insecureDefaults(configuration, facts).some(({ what }) => what.includes('SoftHSM'))
    }
    expect([said('/usr/lib/softhsm/libsofthsm2.so'), said('/opt/maker/lib/libpkcs11.so')]).toEqual([true, false])
  })
})

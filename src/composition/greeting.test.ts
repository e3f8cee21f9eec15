import { describe, expect, it } from 'vitest'
import { configuration } from './configuration.ts'
import { greeting } from './greeting.ts'

const SERVER = {
  url: 'https://localhost:8443',
  caPath: '/srv/redoubt/data/ca.pem',
  enrolmentLink: 'https://localhost:8443/enrol/x',
  grpcPort: 8444,
  sandbox: false,
} as const

const said = (profile: 'development' | 'production', enrolmentLinkMinutes = 15): string => {
  const read = configuration({}, {})
  return greeting(SERVER, { ...read, profile, identity: { ...read.identity, enrolmentLinkMinutes } })
}

describe('what a start says', () => {
  it('is a call that works as printed in development, and how to sign in where there is no bootstrap account', () => {
    expect(said('development')).toMatch(/curl --cacert \/srv\/redoubt\/data\/ca\.pem .*Bearer \$\(.* token\)/s)
    expect(said('production')).not.toContain('curl')
    expect(said('production')).toMatch(/bin\/redoubt login\n/)
  })

  it('says how long the link works', () => {
    expect(said('production', 5)).toContain('(one use, 5 minutes)')
  })
})

import { expect, it } from 'vitest'
import { configuration } from './configuration.ts'

const EMPTY = {
  REDOUBT_CONFIG: '',
  REDOUBT_PORT: '',
  REDOUBT_GRPC_PORT: '',
  REDOUBT_DATA_DIR: '',
  REDOUBT_SECRETS_DIR: '',
}

it('takes a variable that is empty for one that is not set: no secret is written in the folder that the server was started in', () => {
  expect(configuration({}, EMPTY)).toEqual(configuration({}, {}))
  expect(configuration({ dataDir: '/srv/redoubt/data' }, EMPTY)).toMatchObject({
    dataDir: '/srv/redoubt/data',
    secretsDir: '/srv/redoubt/secrets',
  })
})

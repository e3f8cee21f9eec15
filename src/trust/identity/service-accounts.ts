import type { EntityUid, Role } from '#foundation/core'
import type { Accounts } from './accounts.ts'
import type { Principal } from './authenticator.ts'
import type { CreatedAccount, NewAccount } from './new-account.ts'
import { type Acting, demandPerson } from './people/acting.ts'
import { isPowerful } from './people/powerful-roles.ts'
import { describe, type ServiceAccount } from './service-account.ts'

/** Accounts of programs, as administrators see and change them. */
export interface ServiceAccounts {
  /** @throws {RedoubtError} `ERR_ACCESS_PROGRAM` when a program makes a powerful account; as `Accounts.create`. */
  create(ask: NewAccount, by: Acting): Promise<CreatedAccount>
  list(): readonly ServiceAccount[]
  get(name: string): ServiceAccount | null
  /** The account as policies see it, for questions like `policy why`; not proof of anything. */
  principal(name: string): Principal | null
  disable(name: string, by: EntityUid): Promise<ServiceAccount>
  /** From its next request on; an account that has no other role is disabled. */
  removeRole(name: string, role: Role, by: EntityUid): Promise<ServiceAccount>
  /** @param certificate PEM of the new certificate, for an account that authenticates with one. */
  replaceKey(name: string, by: Acting, certificate?: string): Promise<CreatedAccount>
}

interface ServiceAccountsParts {
  readonly accounts: Accounts
  readonly principal: ServiceAccounts['principal']
  /** Tells whoever listens that an account lost its tokens. */
  readonly announce: (account: string) => void
  readonly isBootstrap: (account: string) => boolean
}

export function serviceAccounts({ accounts, principal, announce, isBootstrap }: ServiceAccountsParts): ServiceAccounts {
  return {
    async create(ask, by) {
      if (isPowerful([...ask.roles, ...(ask.mayActFor?.roles ?? [])])) demandPerson(by, isBootstrap)
      return accounts.create(ask, by)
    },
    list: () => accounts.list().map(describe),
    get(name) {
      const account = accounts.get(name)
      return account === null ? null : describe(account)
    },
    principal,
    async disable(name, by) {
      const disabled = accounts.disable(name, by)
      announce(name)
      return disabled
    },
    async removeRole(name, role, by) {
      const changed = accounts.removeRole(name, role, by)
      announce(name)
      return changed
    },
    async replaceKey(name, by, certificate) {
      const account = accounts.get(name)
      if (account !== null && isPowerful([...account.roles, ...(account.mayActFor?.roles ?? [])])) demandPerson(by, isBootstrap)
      const replaced = await accounts.replaceKey(name, by, certificate)
      announce(name)
      return replaced
    },
  }
}

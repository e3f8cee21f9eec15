import { createPublicKey, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { type DurableFolder, subfolder } from '#foundation/storage'
import { type KeyProvider, SIGNING_KEYS, type SigningKey, type SigningKeyName } from '../key-provider.ts'
import { openProvider, type ProviderConfig, type ProviderOptions, recordsOf } from '../provider-config.ts'
import { exportSealedFile } from '../sealed-file/export-sealed-file.ts'
import { Move } from './move.ts'
import { type FormerPlace, placeOf, type ProviderPlaces, readPlaces, type SignedBefore, writePlaces } from './provider-places.ts'
import { takeOver } from './taken-over.ts'
import { withFormer } from './with-former.ts'

export type MoveFrom = 'sealed-file' | ProviderConfig

export interface OpenProvidersOptions extends Omit<ProviderOptions, 'moving' | 'takingOver' | 'former'> {
  readonly provider: ProviderConfig
  /** Where the keys are still, or were. */
  readonly moveFrom?: MoveFrom | undefined
}

export interface OpenedProviders {
  readonly provider: KeyProvider
  /** Of keys that another provider wraps still, or did last; null where there is nothing to finish. */
  readonly move: Move | null
  /** Public keys that signed here before a provider that does not let them out was left. */
  readonly signedBefore: readonly (SigningKey & { readonly name: SigningKeyName })[]
}

/**
 * Opens who holds the keys, and beside it who held them before, as long as that is needed.
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` when the configuration names another provider than the one that holds the keys, without saying
 *   that they are to move, or leaves out one that something refers to still; `ERR_KEYS_KEYRING_CORRUPT`; what the providers throw.
 */
export async function openProviders(options: OpenProvidersOptions): Promise<OpenedProviders> {
  const { folder, provider: config } = options
  const places = readPlaces(folder)
  if (places === null) return { provider: await openProvider(config, options), move: null, signedBefore: [] }
  const from = formerConfig(options)
  return places.current === config.kind ? goOn(places, from, options) : begin(places, from, options)
}

/** Whether the records say that the passphrase or the shares of a sealed file are needed to open what is configured. */
export function opensSealedFile(folder: DurableFolder, options: Pick<OpenProvidersOptions, 'provider' | 'moveFrom'>): boolean {
  if (options.provider.kind === 'sealed-file') return true
  if (formerConfig(options)?.kind !== 'sealed-file') return false
  const places = readPlaces(folder)
  return places?.current === 'sealed-file' || places?.former?.kind === 'sealed-file'
}

/** The same provider as before. */
async function goOn(places: ProviderPlaces, from: ProviderConfig | null, options: OpenProvidersOptions): Promise<OpenedProviders> {
  const { folder, provider: config } = options
  const { former } = places
  const known = former !== null && from?.kind === former.kind ? from : null
  if (former !== null && known === null && !former.proved)
    throw new RedoubtError(
      'ERR_CONFIG_INVALID',
      `the keys have not all moved away from \`${former.kind}\` yet (${describeLeft(former)}): name it in \`keys.moveFrom\``,
      { evidence: { former: former.kind } },
    )
  demandRecords(places, config, folder)
  const current = await openProvider(config, { ...options, folder: subfolder(folder, placeOf(places, config.kind)) })
  return open(places, current, known, options)
}

/** Another provider than before: what is sealed is unwrapped by the old one and wrapped by the new one from now on. */
async function begin(places: ProviderPlaces, from: ProviderConfig | null, options: OpenProvidersOptions): Promise<OpenedProviders> {
  const { folder, provider: config } = options
  const { current, former } = places
  if (from?.kind !== current)
    throw new RedoubtError(
      'ERR_CONFIG_INVALID',
      `the keys are held by \`${current}\`: say so in \`keys.provider\`, or in \`keys.moveFrom\` to have them moved`,
    )
  if (former !== null && !former.proved && former.kind !== config.kind)
    throw new RedoubtError(
      'ERR_CONFIG_INVALID',
      `the keys have not all moved away from \`${former.kind}\` yet (${describeLeft(former)}): finish that move first, or go back to it`,
    )
  demandRecords(places, from, folder)
  const place = placeOf(places, config.kind)
  const into = { ...options, folder: subfolder(folder, place) }
  const moved = {
    current: config.kind,
    places: [...places.places.filter(({ kind }) => kind !== config.kind), { kind: config.kind, place }],
  }
  if (current === 'sealed-file' && !into.folder.exists(recordsOf(config))) {
    if (options.passphrase === undefined)
      throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the keys are in a sealed file still, and nothing opens it')
    // Keys in a file can come along: nothing refers to the file any more once the new provider has wrapped them.
    const provider = await openProvider(config, { ...into, moving: await exportSealedFile(folder, options.passphrase) })
    const now: ProviderPlaces = { ...places, ...moved, former: null }
    if (place !== '' || readPlaces(folder)?.current !== config.kind) writePlaces(folder, now)
    return open(now, provider, null, options)
  }
  const leaving = await openProvider(from, { ...options, folder: subfolder(folder, placeOf(places, current)) })
  let provider: KeyProvider
  const signedBefore: SignedBefore[] = [...places.signedBefore]
  try {
    const takingOver = await takeOver(leaving)
    provider = await openProvider(config, { ...into, takingOver })
    for (const name of Object.keys(SIGNING_KEYS) as SigningKeyName[]) {
      const { keyId, version, publicKey } = leaving.publicKey(name)
      if (provider.publicKey(name).publicKey.equals(publicKey)) continue
      signedBefore.push({ name, keyId, version, publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url') })
    }
  } finally {
    leaving.close()
  }
  const now: ProviderPlaces = { ...moved, former: { kind: current, recorded: false, proved: false, left: null }, signedBefore }
  try {
    writePlaces(folder, now)
  } catch (thrown) {
    provider.close()
    throw thrown
  }
  return open(now, provider, from, options)
}

async function open(
  places: ProviderPlaces,
  current: KeyProvider,
  from: ProviderConfig | null,
  options: OpenProvidersOptions,
): Promise<OpenedProviders> {
  const { folder } = options
  const signedBefore = places.signedBefore.map(({ name, keyId, version, publicKey }) => {
    const key: KeyObject = createPublicKey({ key: Buffer.from(publicKey, 'base64url'), type: 'spki', format: 'der' })
    return { name, keyId, version, publicKey: key, algorithm: SIGNING_KEYS[name] }
  })
  const { former } = places
  if (former === null) return { provider: current, move: null, signedBefore }
  if (from === null) return { provider: current, move: new Move(folder, places, current, null), signedBefore }
  let opened: KeyProvider | null = null
  try {
    opened = await openProvider(from, { ...options, folder: subfolder(folder, placeOf(places, from.kind)), former: true })
  } catch (thrown) {
    // Nothing needs it any more: whether it is there decides when its versions end, and not whether the house stands.
    if (!former.proved) {
      current.close()
      throw thrown
    }
  }
  const move = new Move(folder, places, current, opened)
  return { provider: opened === null ? current : withFormer(current, opened, from.kind), move, signedBefore }
}

/** Records that are gone must not be begun anew, as if nothing had ever been wrapped. */
function demandRecords(places: ProviderPlaces, config: ProviderConfig, folder: DurableFolder): void {
  if (!subfolder(folder, placeOf(places, config.kind)).exists(recordsOf(config)))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the records of \`${config.kind}\`, which holds keys, are gone`)
}

function formerConfig({ moveFrom }: Pick<OpenProvidersOptions, 'moveFrom'>): ProviderConfig | null {
  if (moveFrom === undefined) return null
  return moveFrom === 'sealed-file' ? { kind: 'sealed-file' } : moveFrom
}

function describeLeft({ left }: FormerPlace): string {
  if (left === null) return 'nothing was looked through yet'
  if (left.length === 0) return 'what was wrapped last was not looked through again'
  return left.map(({ what, keys }) => `${keys} ${keys === 1 ? 'key' : 'keys'} of ${what}`).join(', ')
}

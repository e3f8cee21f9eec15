import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#foundation/core'
import type { Session } from './program.ts'

interface WitnessCommandOptions {
  readonly folder: string
  readonly log: readonly string[]
  readonly name: string
  readonly host: string
  readonly listen: number
  readonly once?: boolean
}

/** Both kinds of cosignature of C2SP tlog-cosignature: Ed25519 for verifiers of today, ML-DSA-44 for those of tomorrow. */
const KINDS = ['ed25519', 'ml-dsa-44'] as const

/** Serves a witness until it is ended. Its keys lie in its own folder, readable by its owner alone. */
export async function runWitness({ output }: Session, options: WitnessCommandOptions): Promise<void> {
  const { nodeFolder } = await import('#foundation/storage')
  const { startWitness } = await import('#trust/audit')
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  const keys = KINDS.map((kind) => keyPair(join(options.folder, `${kind}.pem`), kind))
  const witness = await startWitness({
    folder: nodeFolder(join(options.folder, 'seen')),
    name: options.name,
    keys,
    logs: [options.log].flat(),
    clock: systemClock,
    host: options.host,
    port: options.listen,
  })
  output.result({ url: witness.url, verifierKeys: witness.verifierKeys }, `witness at ${witness.url}\n${witness.verifierKeys.join('\n')}`)
  if (options.once) {
    await witness.close()
    return
  }
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await witness.close()
}

function keyPair(path: string, kind: (typeof KINDS)[number]): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (!existsSync(path)) {
    const { privateKey } = kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ml-dsa-44')
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx', flush: true })
  }
  const privateKey = createPrivateKey(readFileSync(path))
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

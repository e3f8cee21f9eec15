import { readFileSync } from 'node:fs'
import { nodeFolder } from '#foundation/storage'
import type { OutboundTls } from '#foundation/crypto'
import { type CheckpointSink, folderSink, witnessSink } from '#trust/audit'
import type { Configuration } from './configuration.ts'

/** The places outside that receive each checkpoint. */
export function checkpointSinks({ audit }: Pick<Configuration, 'audit'>, tls: OutboundTls): readonly CheckpointSink[] {
  const folders = audit.outsideFolder === undefined ? [] : [folderSink(nodeFolder(audit.outsideFolder), audit.outsideFolder)]
  const witnesses = audit.witnesses.map(({ url, verifierKeys, ca }) =>
    witnessSink({ url, verifierKeys, tls, ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }) }),
  )
  return [...folders, ...witnesses]
}

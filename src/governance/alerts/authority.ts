import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'

/** The certificate authority of a place, as an option of a connection; none where the public ones are meant. */
export function authorityOf({ name, ca }: { readonly name: string; readonly ca?: string | undefined }): { readonly ca?: string } {
  if (ca === undefined) return {}
  try {
    return { ca: readFileSync(ca, 'utf8') }
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_INVALID', `\`alerts\`: the file \`ca\` of \`${name}\` cannot be read`, { cause })
  }
}

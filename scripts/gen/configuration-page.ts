import { configurationReference } from '#foundation/config'
import { configurationSchema, ENVIRONMENT } from '../../src/composition/configuration.ts'
import { GENERATED_NOTE, type GeneratedFile, markdownTable } from './generated-file.ts'

/** The page of `redoubt.yaml` and of the environment, from the schemas of the rooms. */
export function configurationPage(): GeneratedFile {
  const table = configurationReference(configurationSchema).trimEnd()
  const silent = table.split('\n').filter((row) => row.endsWith('|  |'))
  if (silent.length > 0) throw new Error(`describe these keys in their schema:\n${silent.join('\n')}`)
  return {
    path: 'docs/reference/configuration.md',
    text: `${GENERATED_NOTE}

# Configuration

\`redoubt up --config redoubt.yaml\`, or \`REDOUBT_CONFIG=redoubt.yaml\`. Without a file every key has its default. The command line wins over the
environment, the environment over the file. Unknown keys are refused. A secret is named by a reference, \`env:NAME\` or \`file:PATH\` (a file that
everyone may read is refused), and never written into the file; \`kms:\` is reserved and refused for now. The file holds at most 1 MiB.

## redoubt.yaml

${table}

\`NAME\` stands for a name of your own, \`[]\` for each element of a list.

## Environment

${markdownTable(
  ['variable', 'meaning'],
  ENVIRONMENT.map(({ name, meaning }) => [`\`${name}\``, meaning]),
)}

## What production refuses

Under \`profile: production\` the server does not start without a \`passphrase\` reference, nor while \`cli-key.json\` lies in the secrets directory. The
bootstrap account has no rights, and no sandbox responder is started. \`redoubt doctor\` lists every insecure default that is in force.
`,
  }
}

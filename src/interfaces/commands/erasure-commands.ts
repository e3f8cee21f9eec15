import { readFileSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { GROUNDS, RedoubtError } from '#foundation/core'
import type { Erasure, Hold } from '#governance/erasure'
import { demandAbsent } from './absent-file.ts'
import type { Client } from './client.ts'
import { confirmed } from './confirmed.ts'
import { type Output, table } from './output.ts'
import { run } from './program.ts'

const groundOption = (): Option =>
  new Option('--ground <ground>', 'why, of GDPR art. 17(1)').choices(Object.keys(GROUNDS)).makeOptionMandatory()

const BACKUPS = 'Backups from before cannot be read with the keys of now:\nmake a new one, and let old key backups end.'

const NOTHING_THERE =
  'Nothing about this person was here: neither rows nor a key. If that is a surprise,\ncompare the name with the one that calls and data use, sign by sign.'

const eraseWarning = (subject: string, dataset: string | undefined): string =>
  [
    `Rows about \`${subject}\` go from every version of ${dataset === undefined ? 'every data set' : `\`${dataset}\``}, for ever.`,
    ...(dataset === undefined ? ['Their key is destroyed: what is sealed for them in log, queue and vault becomes unreadable.'] : []),
    'Models that learned from these rows stay; `redoubt model show` names them.',
    BACKUPS,
  ].join('\n')

const shredWarning = (name: string): string =>
  [
    `\`${name}\` goes with all its versions and its keys, for ever, and its name is not given again.`,
    'Models that learned from it stay, deployed ones too; `redoubt model show` names them.',
    BACKUPS,
  ].join('\n')

const day = (time: number | null): string => (time === null ? '' : new Date(time).toISOString().slice(0, 16).replace('T', ' '))

async function finished(client: Client, output: Output, erasure: Erasure, out: string | undefined): Promise<void> {
  const rows = erasure.versions.map(({ name, version, rows, groups }) => [name, String(version), String(rows), String(groups)])
  if (out !== undefined) await saveCertificate(client, erasure.id, out)
  const what = erasure.kind === 'subject' ? `person ${erasure.pseudonym ?? ''}` : `data set \`${erasure.datasets[0] ?? ''}\``
  const saved =
    out === undefined ? `the signed certificate:  redoubt data certificate ${erasure.id} --out FILE` : `certificate in \`${out}\``
  output.result(
    erasure,
    `erased ${what}\nerasure ${erasure.id}, ${erasure.objects} sealed objects\n${rows.length === 0 ? '' : `\n${table(['data set', 'version', 'rows', 'groups'], rows)}\n`}\n${saved}`,
  )
  output.note(erasure.objects === 0 && erasure.keys === 0 ? NOTHING_THERE : BACKUPS)
}

async function saveCertificate(client: Client, id: string, out: string): Promise<string> {
  const { body } = await client.raw(`/api/v1/erasures/${encodeURIComponent(id)}/certificate`)
  const text = body.toString('utf8')
  // A refusal is told by the call that reads it as JSON.
  if (!text.startsWith('{"payload"')) await client.call(`/erasures/${encodeURIComponent(id)}/certificate`)
  writeFileSync(out, text, { flag: 'wx', mode: 0o600 })
  return text
}

/** `data erase`, `shred`, `erasures`, `certificate` and what holds them back. */
export function erasureCommands(data: Command): void {
  data
    .command('erase')
    .description('erase a person: their rows in every data set, or in one, and their key')
    .requiredOption('--subject <subject>', 'the person, as calls and data name them')
    .option('--dataset <name>', 'their rows in this data set alone; their key stays')
    .addOption(groundOption())
    .option('--out <file>', 'write the signed certificate to this file')
    .option('--yes', 'without asking, for scripts')
    .action(
      run<{ subject: string; dataset?: string; ground: string; out?: string; yes?: boolean }>(async ({ client, output }, options) => {
        const { subject, dataset, ground, out } = options
        demandAbsent(out)
        if (options.yes !== true) await confirmed(output, eraseWarning(subject, dataset), subject)
        const erasure = await client.long<Erasure>('/subjects/erase', {
          method: 'POST',
          json: { subject, ground, ...(dataset === undefined ? {} : { dataset }) },
          progress: (facts) => output.progress(`erasing from ${String(facts['dataset'])}`, Number(facts['rows'] ?? 0), null, 'rows'),
        })
        output.progressDone()
        await finished(client, output, erasure, out)
      }),
    )

  data
    .command('shred <name>')
    .description('destroy a data set with all its versions and its keys; no copy of it can be read any more')
    .addOption(groundOption())
    .option('--out <file>', 'write the signed certificate to this file')
    .option('--yes', 'without asking, for scripts')
    .action(
      run<{ ground: string; out?: string; yes?: boolean }>(async ({ client, output }, options, name = '') => {
        demandAbsent(options.out)
        if (options.yes !== true) await confirmed(output, shredWarning(name), name)
        const path = `/datasets/${encodeURIComponent(name)}/shred`
        await finished(client, output, await client.call<Erasure>(path, { method: 'POST', json: { ground: options.ground } }), options.out)
      }),
    )

  data
    .command('erasures')
    .description('list what was erased, when, why and by whom')
    .action(
      run(async ({ client, output }) => {
        const { erasures } = await client.call<{ erasures: readonly Erasure[] }>('/erasures')
        const rows = erasures.map((one) => [
          one.id,
          one.kind === 'subject' ? 'person' : (one.datasets[0] ?? ''),
          one.doneAt === null ? 'not finished' : day(one.doneAt),
          one.ground,
          one.by.id,
        ])
        output.result(erasures, table(['erasure', 'of', 'done (UTC)', 'ground', 'by'], rows))
      }),
    )

  data
    .command('certificate <erasure>')
    .description('save the signed certificate of an erasure')
    .requiredOption('--out <file>', 'the file to write; one that exists is not overwritten')
    .action(
      run<{ out: string }>(async ({ client, output }, { out }, id = '') => {
        demandAbsent(out)
        output.result({ file: out, certificate: JSON.parse(await saveCertificate(client, id, out)) as object }, `wrote \`${out}\``)
      }),
    )

  data
    .command('certificate-key')
    .description('print the public key that verifies certificates; keep it somewhere else than the certificates')
    .action(
      run(async ({ client, output }) => {
        const answer = await client.call<{ publicKey: string }>('/erasures/certificate-key')
        output.result(answer, answer.publicKey.trimEnd())
      }),
    )

  data
    .command('verify-certificate <file>')
    .description('verify a certificate of an erasure offline')
    .requiredOption('--key <pem>', 'file with the public key, as `certificate-key` prints it')
    .action(
      run<{ key: string }>(async ({ output }, options, file = '') => {
        const { verifyCertificate } = await import('#governance/erasure')
        const statement = verifyCertificate(readFileSync(file), readFileSync(options.key, 'utf8'))
        const rows = statement.versions.reduce((sum, one) => sum + one.rows, 0)
        output.result(
          statement,
          `verified: erasure ${statement.erasure} of ${new Date(statement.doneAt).toISOString()}\n${statement.kind === 'subject' ? `person ${statement.pseudonym ?? ''}, ${rows} rows` : `data set ${statement.datasets.join(', ')}`}, ${statement.objects} sealed objects, ground ${statement.ground}, by ${statement.by.id}\nlog entry ${statement.log.index}`,
        )
      }),
    )

  holdCommands(data)
}

function endOfDay(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T23:59:59Z` : text
  // Also days that no month has, which `Date` would carry over into the next.
  if (!/^\d{4}-\d{2}-\d{2}T/.test(time) || Number.isNaN(Date.parse(time)) || Number(text.slice(8, 10)) !== dayOf(time))
    throw new RedoubtError('ERR_USAGE', '`--until` takes a day such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z')
  return time
}

const dayOf = (time: string): number => new Date(`${time.slice(0, 10)}T00:00:00Z`).getUTCDate()

function holdCommands(data: Command): void {
  const hold = data.command('hold').description('legal holds: what must be kept for now: set, list, lift')

  hold
    .command('set')
    .description('forbid to erase anything of a person or a data set until a date')
    .option('--subject <subject>', 'the person, as calls and data name them')
    .option('--dataset <name>', 'the data set')
    .requiredOption('--until <date>', 'a day, to its end in UTC, or a time, ISO 8601')
    .requiredOption('--reason <words>', 'why; kept sealed')
    .action(
      run<{ subject?: string; dataset?: string; until: string; reason: string }>(async ({ client, output }, options) => {
        const { subject, dataset, until, reason } = options
        if ((subject === undefined) === (dataset === undefined))
          throw new RedoubtError('ERR_USAGE', 'a hold is on a person or on a data set: name one of `--subject` and `--dataset`')
        const on = subject === undefined ? { dataset } : { subject }
        const set = await client.call<Hold>('/holds', { method: 'POST', json: { on, until: endOfDay(until), reason } })
        output.result(set, `hold ${set.id} until ${day(set.until)} UTC`)
      }),
    )

  hold
    .command('list')
    .description('list legal holds, ended ones too')
    .action(
      run(async ({ client, output }) => {
        const { holds } = await client.call<{ holds: readonly Hold[] }>('/holds')
        const rows = holds.map((one) => [one.id, one.state, one.kind === 'subject' ? 'a person' : one.target, day(one.until), one.setBy.id])
        output.result(holds, table(['hold', 'state', 'on', 'until (UTC)', 'set by'], rows))
      }),
    )

  hold
    .command('lift <hold>')
    .description('lift a legal hold before its date')
    .requiredOption('--reason <words>', 'why; kept sealed')
    .action(
      run<{ reason: string }>(async ({ client, output }, { reason }, id = '') => {
        const lifted = await client.call<Hold>(`/holds/${encodeURIComponent(id)}/lift`, { method: 'POST', json: { reason } })
        output.result(lifted, `lifted hold ${lifted.id}`)
      }),
    )
}

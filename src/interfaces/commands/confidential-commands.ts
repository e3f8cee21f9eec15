import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { CLASSIFIER, MOST_CANARIES, RedoubtError, REGISTERED_KINDS } from '#foundation/core'
import type { Examples, Registered } from '#gateway/filters'
import { chunksOf, fileDigest } from './content-digest.ts'
import { type ExampleOptions, readExamples, withExampleOptions } from './example-files.ts'
import { table } from './output.ts'
import { run, type Session } from './program.ts'
import { cardWords } from './text-card.ts'

interface AddOptions {
  readonly label?: string
  readonly terms?: boolean
  readonly public?: boolean
}

const AMOUNTS = {
  document: 'letters',
  terms: 'terms',
  data: 'rows',
  canary: 'canaries',
  public: 'letters',
  classifier: 'texts',
} as const satisfies Record<Registered['kind'], string>
const PATHS = {
  document: 'documents',
  terms: 'terms',
  data: 'data',
  canary: 'canaries',
  public: 'public',
  classifier: CLASSIFIER,
} as const satisfies Record<Registered['kind'], string>
const grouped = (count: number): string => count.toLocaleString('en')
/** What is shared with public texts, or as boilerplate with other documents, is not looked for. */
const lookedForOf = ({ fingerprints, lookedFor = fingerprints }: Pick<Registered, 'fingerprints' | 'lookedFor'>): string =>
  lookedFor === fingerprints ? grouped(fingerprints) : `${grouped(lookedFor)} of ${grouped(fingerprints)}`
const wordsOf = ({ kind, label, amount, ...counts }: Registered): string =>
  `registered \`${label}\` (${kind}): ${grouped(amount)} ${AMOUNTS[kind]}, ${lookedForOf(counts)} fingerprints; the text itself is not kept`

/** What is confidential: documents, terms, and what protects data sets. */
export function confidentialCommands(): Command[] {
  const confidential = new Command('confidential').description('what must not leave: add, train, list, remove')

  confidential
    .command('add')
    .description('register documents, or lists of terms: plain text in UTF-8, several files under one label')
    .argument('<file...>')
    .option('--label <name>', 'name it is listed and recorded by; the file’s own unless given')
    .addOption(new Option('--terms', 'the files are lists of terms, one a line').conflicts('public'))
    .option('--public', 'the files are public: passages that confidential documents share with them are let go')
    .action(
      run<AddOptions>(async (session, { label, terms, public: isPublic }, ...files) => {
        if (label === undefined && files.length > 1) throw new RedoubtError('ERR_USAGE', 'name several files together with `--label`')
        const name = label ?? labelOf(files[0]!)
        const total = files.reduce((sum, file) => sum + statSync(file).size, 0)
        const registered = await put(
          session,
          `${terms === true ? 'terms' : isPublic === true ? 'public' : 'documents'}/${encodeURIComponent(name)}`,
          {
            stream: Readable.from(together(files)),
            headers: await fileDigest(files, () => together(files)),
            total,
            unit: 'bytes',
          },
        )
        session.output.result(registered, wordsOf(registered))
      }),
    )

  withExampleOptions(
    confidential
      .command('train')
      .description('train the classifier of confidential text from examples, where a policy names CONFIDENTIAL_TEXT; they are not kept'),
  ).action(
    run<ExampleOptions>(async (session, options) => {
      const examples = await readExamples(options)
      const trained = await trainClassifier(session, examples, options)
      session.output.result(trained, `the classifier is in force; ${cardWords(trained.card!)}`)
    }),
  )

  confidential
    .command('list')
    .description('list what is registered, protected data sets and canaries too: labels and counts')
    .action(
      run(async ({ client, output }) => {
        const answer = await client.call<{ registered: readonly Registered[]; memoryBytes: number }>('/confidential')
        const rows = answer.registered.map(({ kind, label, amount, createdAt, by, ...counts }) => [
          kind,
          label,
          `${grouped(amount)} ${AMOUNTS[kind]}`,
          lookedForOf(counts),
          new Date(createdAt).toISOString().slice(0, 19).replace('T', ' '),
          `${by.type}::${by.id}`,
        ])
        output.result(
          answer,
          rows.length === 0
            ? 'nothing is registered: markings alone are found, where a policy names CONFIDENTIAL_MARKING'
            : `${table(['kind', 'label', 'amount', 'fingerprints', 'since', 'by'], rows)}\n\n${cardOf(answer.registered)}${grouped(Math.ceil(answer.memoryBytes / 1024))} KiB of memory`,
        )
      }),
    )

  confidential
    .command('remove')
    .description('remove something from what is looked for; an alert says so')
    .addArgument(new Argument('<kind>').choices(REGISTERED_KINDS))
    .argument('[label]', 'what it is listed by; the classifier needs none')
    .action(
      run(async ({ client, output }, _options, kind, label) => {
        if (label === undefined && kind !== CLASSIFIER) throw new RedoubtError('ERR_USAGE', `name the ${kind} by its label`)
        const path = PATHS[kind as Registered['kind']]
        const removed = await client.call<Registered>(
          `/confidential/${kind === CLASSIFIER ? path : `${path}/${encodeURIComponent(label ?? '')}`}`,
          { method: 'DELETE' },
        )
        output.result(removed, `removed \`${removed.label}\` (${removed.kind}): it is no longer looked for`)
      }),
    )
  return [confidential]
}

const canaryCount = (text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > MOST_CANARIES) throw new InvalidArgumentError(`a number from 1 to ${MOST_CANARIES}`)
  return count
}

/** Commands that protect data sets from being repeated. */
export function protectionCommands(data: Command): void {
  data
    .command('protect <name>')
    .description('look for the rows and texts of a data set in answers, where a policy names TRAINING_DATA; again after each new version')
    .action(
      run(async (session, _options, name) => {
        const registered = await put(session, `data/${encodeURIComponent(name ?? '')}`, { unit: 'rows' })
        session.output.result(registered, wordsOf(registered))
      }),
    )

  data
    .command('canary <label>')
    .description('make strings to plant in data; seen in any answer they are blocked and raise a critical alert')
    .option('--count <n>', `how many, at most ${MOST_CANARIES}`, canaryCount, 1)
    .action(
      run<{ readonly count: number }>(async ({ client, output }, { count }, label) => {
        const made = await client.call<Registered & { canaries: readonly string[] }>(
          `/confidential/canaries/${encodeURIComponent(label ?? '')}`,
          {
            method: 'POST',
            json: { count },
          },
        )
        output.result(made, made.canaries.join('\n'))
        output.note('plant each where nothing else reads it; they are not shown again')
      }),
    )
}

interface Upload {
  readonly stream?: Readable
  readonly headers?: Readonly<Record<string, string>>
  readonly total?: number
  readonly unit: 'bytes' | 'rows'
}

async function put({ client, output }: Session, path: string, { stream, headers, total, unit }: Upload): Promise<Registered> {
  const registered = await client.long<Registered>(`/confidential/${path}`, {
    method: 'POST',
    ...(stream === undefined ? {} : { stream, contentType: 'application/octet-stream' }),
    ...(headers === undefined ? {} : { headers }),
    progress: (facts) => output.progress('registering', Number(facts[unit] ?? 0), total ?? 0, unit),
  })
  output.progressDone()
  return registered
}

const cardOf = (registered: readonly Registered[]): string => {
  const card = registered.find(({ kind }) => kind === CLASSIFIER)?.card
  return card === undefined ? '' : `classifier: ${cardWords(card)}\n\n`
}

async function trainClassifier({ client, output }: Session, { all }: Examples, { falseAlarms, seed }: ExampleOptions): Promise<Registered> {
  const total = all.reduce((sum, { text }) => sum + text.length, 0)
  const trained = await client.long<Registered>(`/confidential/classifier?seed=${seed}&falseAlarms=${falseAlarms}`, {
    method: 'POST',
    stream: Readable.from(all.map((example) => `${JSON.stringify(example)}\n`)),
    contentType: 'application/octet-stream',
    progress: ({ bytes, epoch, epochs }) =>
      epoch === undefined
        ? output.progress('sending', Number(bytes), total, 'bytes')
        : output.progress('training', Number(epoch), Number(epochs), 'epochs'),
  })
  output.progressDone()
  return trained
}

/** Files one after the other, with a line between. */
async function* together(files: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const [i, file] of files.entries()) {
    if (i > 0) yield Buffer.from('\n')
    for await (const chunk of chunksOf(file)) yield chunk as Uint8Array
  }
}

function labelOf(file: string): string {
  const label = basename(file)
    .toLowerCase()
    .replace(/\.[a-z0-9]+$/u, '')
    .replaceAll(/[^a-z0-9._-]+/gu, '-')
    .replace(/^[^a-z0-9]+/u, '')
    .slice(0, 63)
  if (label === '') throw new RedoubtError('ERR_USAGE', `\`${file}\` gives no name: name it with --label`)
  return label
}

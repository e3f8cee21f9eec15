import { Command } from 'commander'
import type { Review, ReviewInFull } from '#governance/oversight'
import { table } from './output.ts'
import { run, type Session } from './program.ts'
import { moment, named, sheet } from './words.ts'

const pathOf = (id: string, rest = ''): string => `/reviews/${encodeURIComponent(id)}${rest}`

interface Answer {
  readonly review: string
  readonly state: string
  readonly reason: string
  readonly answer: unknown
}

export function reviewCommands(): Command[] {
  const review = new Command('review').description('what waits for a person: look at it, release, override or refuse it, contest an answer')

  review
    .command('list')
    .description('list your own reviews and those that you may decide, newest first')
    .option('--waiting', 'only those that wait')
    .action(
      run<{ waiting?: true }>(async ({ client, output }, { waiting }) => {
        const { reviews } = await client.call<{ reviews: readonly Review[] }>('/reviews')
        const shown = waiting ? reviews.filter(({ state }) => state === 'waiting') : reviews
        const rows = shown.map(({ id, state, kind, resource, caller, findings, dueAt }) => [
          id,
          state,
          kind,
          named(resource),
          named(caller),
          found(findings),
          moment(dueAt),
        ])
        output.result(shown, shown.length === 0 ? 'no reviews' : table(['review', 'state', 'of', 'on', 'by', 'found', 'due'], rows))
      }),
    )

  review
    .command('show <id>')
    .description('show a review; to a reviewer with all that is held, which is recorded')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        const shown = await client.call<ReviewInFull>(pathOf(id))
        output.result(shown, inWords(shown))
      }),
    )

  review
    .command('release <id>')
    .description('let it go on as it is')
    .option('--comment <text>', 'kept with the review, and told to whoever asked', '')
    .action(run<{ comment: string }>((session, { comment }, id = '') => decided(session, pathOf(id, '/release'), { comment })))

  review
    .command('reject <id>')
    .description('refuse it; what is held is gone')
    .requiredOption('--reason <text>', 'why')
    .action(run<{ reason: string }>((session, { reason }, id = '') => decided(session, pathOf(id, '/reject'), { reason })))

  review
    .command('override <id>')
    .description('decide otherwise than the model')
    .option('--text <text>', 'in place of an answer in words')
    .option('--output <name=values...>', 'in place of an output of a prediction; several values in commas', readOutput)
    .requiredOption('--reason <text>', 'why; told to whoever asked')
    .action(
      run<{ text?: string; output?: Outputs; reason: string }>((session, { text, output, reason }, id = '') =>
        decided(session, pathOf(id, '/override'), { override: output === undefined ? { text } : { outputs: output }, reason }),
      ),
    )

  review
    .command('answer <id>')
    .description('fetch the answer that was released, or that a person decided, of a call of yours')
    .action(
      run(async ({ client, output }, _options, id = '') => {
        const answer = await client.call<Answer>(pathOf(id, '/answer'))
        const body = typeof answer.answer === 'string' ? answer.answer : JSON.stringify(answer.answer)
        output.result(answer, `${answer.state} by a person${answer.reason === '' ? '' : `: ${answer.reason}`}\n${body}`)
      }),
    )

  review
    .command('contest <request>')
    .description('have a person look at an answer that was given, by the request id of the call')
    .requiredOption('--reason <text>', 'what is wrong with it')
    .option('--subject <name>', 'the person whom it was about, as the call named them')
    .action(
      run<{ reason: string; subject?: string }>(async ({ client, output }, { reason, subject }, requestId = '') => {
        const json = { requestId, reason, ...(subject === undefined ? {} : { subject }) }
        const made = await client.call<Review>('/reviews', { method: 'POST', json })
        output.result(
          made,
          `contested as ${made.id}; somebody should have looked by ${moment(made.dueAt)}\nnext  redoubt review show ${made.id}`,
        )
      }),
    )
  return [review]
}

type Outputs = Readonly<Record<string, readonly (string | number)[]>>

/** `label=0` or `scores=0.1,0.9`; what reads as a number is one. */
export function readOutput(text: string, before: Outputs = {}): Outputs {
  const cut = text.indexOf('=')
  const [name, values] = cut === -1 ? [text, ''] : [text.slice(0, cut), text.slice(cut + 1)]
  return { ...before, [name]: values.split(',').map((one) => (/^-?\d+(\.\d+)?$/.test(one) ? Number(one) : one)) }
}

async function decided({ client, output }: Session, path: string, json: object): Promise<void> {
  const review = await client.call<Review>(path, { method: 'POST', json })
  output.result(review, `${review.id} is ${review.state}`)
}

const found = (findings: Readonly<Record<string, number>>): string =>
  Object.entries(findings)
    .map(([entity, count]) => `${entity} ${count}`)
    .join(', ') || '-'

function inWords({
  id,
  state,
  kind,
  resource,
  caller,
  asker,
  requestId,
  findings,
  createdAt,
  dueAt,
  expiresAt,
  reviewer,
  content,
  verdict,
}: ReviewInFull): string {
  const lines: readonly (readonly [string, string])[] = [
    ['review', id],
    ['state', reviewer === null ? state : `${state} by ${named(reviewer)}`],
    ['of', `${kind}, request ${requestId} on ${named(resource)}`],
    ['call of', named(caller)],
    ...(named(asker) === named(caller) ? [] : [['asked by', named(asker)] as const]),
    ['found', found(findings)],
    ['asked', `${moment(createdAt)}, due ${moment(dueAt)}, ends ${moment(expiresAt)}`],
    ...(verdict === null || verdict.comment === '' ? [] : [['reason', verdict.comment] as const]),
  ]
  return [sheet(lines), ...(content === null ? [] : ['what is held:', JSON.stringify(content, null, 2)])].join('\n')
}

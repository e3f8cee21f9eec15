import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { type ExampleOptions, readExamples, seedNumber, withExampleOptions } from '../example-files.ts'
import { run } from '../program.ts'
import { repeated } from '../repeated.ts'
import { cardWords } from '../text-card.ts'

/** `redoubt filter train …`: the text models that ship, or a site's own, from files alone. */
export function filterTrainCommand(): Command {
  const train = new Command('train').description('train a text model of the filters from files, offline')

  train
    .command('names')
    .description('train the tagger of persons, places and organisations on marked text')
    .requiredOption(
      '--corpus <path>',
      'folder with `train` and perhaps `dev`, as .conll (IOB2) or .jsonl (`text`, `spans`), a folder of such folders, or one such file; may be repeated',
      repeated,
    )
    .requiredOption('--out <file>', 'file of weights to write')
    .option('--seed <n>', 'same text, code and seed give the same bytes', seedNumber, 1)
    .action(
      run<{ corpus: readonly string[]; out: string; seed: number }>(async ({ output }, { corpus, out, seed }) => {
        const { packNamesModel, readCorpus, trainNames } = await import('#gateway/filters')
        const corpora = corpus.map((path) => readCorpus(path))
        const model = trainNames(corpora, { seed, progress: (epoch, epochs) => output.progress('training', epoch, epochs, 'epochs') })
        output.progressDone()
        const file = packNamesModel(model)
        writeFileSync(out, file)
        const { provenance, cuts } = model
        const tokens = provenance.corpora.reduce((sum, { tokens }) => sum + tokens, 0)
        output.result(
          { out, bytes: file.byteLength, cuts, ...provenance },
          `wrote \`${out}\`, ${file.byteLength.toLocaleString('en')} bytes, from ${tokens.toLocaleString('en')} words in ${corpora.length} corpora, seed ${seed}`,
        )
      }),
    )

  train
    .command('injection')
    .description('train the classifier of injected instructions on labelled texts')
    .requiredOption('--data <file>', 'JSON Lines of `text` and `label`, 1 for an attack; may be repeated', repeated)
    .addOption(
      new Option('--calibration <file>', 'likewise, not learned from: its harmless texts help to set the threshold; may be repeated')
        .argParser(repeated)
        .default([]),
    )
    .requiredOption('--out <file>', 'file of weights to write')
    .option('--seed <n>', 'same rows, code and seed give the same bytes', seedNumber, 1)
    .action(
      run<{ data: readonly string[]; calibration: readonly string[]; out: string; seed: number }>(async ({ output }, options) => {
        const { data, calibration, out, seed } = options
        const { packInjectionModel, readLabelledRows, trainInjection } = await import('#gateway/filters')
        const files = data.map((path) => ({ name: basename(path), rows: readLabelledRows(path) }))
        const model = trainInjection(files, {
          seed,
          calibration: calibration.flatMap((path) => readLabelledRows(path)),
          progress: (epoch, epochs) => output.progress('training', epoch, epochs, 'epochs'),
        })
        output.progressDone()
        const file = packInjectionModel(model)
        writeFileSync(out, file)
        const rows = files.reduce((sum, { rows }) => sum + rows.length, 0)
        output.result(
          { out, bytes: file.byteLength, ...model.provenance },
          `wrote \`${out}\`, ${file.byteLength.toLocaleString('en')} bytes, from ${rows.toLocaleString('en')} texts in ${files.length} files, seed ${seed}`,
        )
      }),
    )

  withExampleOptions(
    train
      .command('confidential')
      .description(
        'train a classifier of confidential text, to be tried offline; its weights are not keyed, so that whoever has them can try words: the server has its own, by `redoubt confidential train`',
      )
      .requiredOption('--out <file>', 'file of weights to write'),
  ).action(
    run<ExampleOptions & { out: string }>(async ({ output }, { out, ...options }) => {
      const { seed, falseAlarms } = options
      const { OPEN_KEY, packTextModel, trainText } = await import('#gateway/filters')
      const examples = await readExamples(options)
      const model = trainText(examples.all, OPEN_KEY, {
        seed,
        falseAlarms,
        progress: (epoch, epochs) => output.progress('training', epoch, epochs, 'epochs'),
      })
      output.progressDone()
      const file = packTextModel(model)
      writeFileSync(out, file)
      output.result(
        { out, bytes: file.byteLength, card: model.card },
        `wrote \`${out}\`, ${file.byteLength.toLocaleString('en')} bytes; ${cardWords(model.card)}`,
      )
    }),
  )

  return train
}

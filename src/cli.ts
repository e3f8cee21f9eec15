import { EXIT, runProgram } from '#interfaces/commands'
import { createProgram } from './composition/program.ts'

// `redoubt … | head`: whoever reads has seen enough.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.done)
  })

process.exitCode = await runProgram(createProgram([process.execPath, process.argv[1] ?? 'redoubt']), process.argv)

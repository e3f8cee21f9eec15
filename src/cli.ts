import { runProgram } from '#interfaces/commands'
import { createProgram } from './composition/program.ts'

process.exitCode = await runProgram(createProgram([process.execPath, process.argv[1] ?? 'redoubt']), process.argv)

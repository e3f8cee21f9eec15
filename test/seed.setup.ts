import * as fc from 'fast-check'

// The same draws in each run, so that a change turns a test red and chance does not; REDOUBT_SEED looks elsewhere. A failure prints its seed.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env['REDOUBT_SEED'] ?? 20_261_128) })

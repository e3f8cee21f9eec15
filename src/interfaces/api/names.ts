import { z } from 'zod'

/** As long as a subject's key can be made for, so that whoever is sealed can be found and erased. */
export const subjectName = z.string().min(1).max(1024)

/** Names of data sets and models: they appear in paths, policies and log entries. */
export const objectName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower case letters, digits, dots, dashes and underscores, at most 63')

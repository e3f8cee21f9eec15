import { type ModelGuards, UNTRUSTED_ORIGINS, type UntrustedOrigin } from '#foundation/core'

/** The name under which `@filter_input` speaks of texts that are written to steer the model. */
const PROMPT_INJECTION = 'PROMPT_INJECTION'

export interface GuardAnnotations {
  readonly filter_input?: string | null
  readonly filter_output?: string | null
  readonly mark_untrusted?: string | null
  readonly canary?: string | null
}

/**
 * What a policy asks for against texts that steer the model, and `@filter_input` without it.
 * @throws {Error} with the reason; the caller adds file and line.
 */
export function readGuards(annotations: GuardAnnotations): { readonly filterInput: string | undefined; readonly guards: ModelGuards } {
  const { filter_input, filter_output, mark_untrusted, canary } = annotations
  if (partsOf(filter_output).some((item) => spokenOf(item) !== null))
    throw new Error(
      `\`@filter_output\` names \`${PROMPT_INJECTION}\`, which is looked for in what goes to a model: name it in \`@filter_input\``,
    )
  const injection = readInjection(filter_input)
  const origins = partsOf(mark_untrusted)
  for (const [i, origin] of origins.entries())
    if (!(UNTRUSTED_ORIGINS as readonly string[]).includes(origin) || origins.indexOf(origin) !== i)
      throw new Error(`\`@mark_untrusted\` is a list of \`${UNTRUSTED_ORIGINS.join('|')}\`, each named once`)
  if (canary && canary !== 'system_prompt') throw new Error('`@canary` knows only "system_prompt"')
  const rest = partsOf(filter_input).filter((item) => spokenOf(item) === null)
  return {
    // An empty item is refused with the rest of the list.
    filterInput: rest.includes('') ? [...rest, ''].join(',') : rest.join(', ') || undefined,
    guards: {
      ...(injection === null ? {} : { injection }),
      ...(origins.length === 0 ? {} : { markUntrusted: Object.freeze(origins.toSorted()) as readonly UntrustedOrigin[] }),
      ...(canary ? { canary: true } : {}),
    },
  }
}

const partsOf = (text: string | null | undefined): readonly string[] => (text ? text.split(',').map((part) => part.trim()) : [])

/** The action of an item about injections; null for one about something else. */
function spokenOf(item: string): string | null {
  const [, action] = /^PROMPT_INJECTION\s*=\s*(.*)$/.exec(item) ?? []
  return action ?? null
}

function readInjection(filter: string | null | undefined): 'block' | 'log' | null {
  const actions = partsOf(filter).flatMap((item) => spokenOf(item) ?? [])
  if (actions.length > 1) throw new Error(`\`@filter_input\` names \`${PROMPT_INJECTION}\` twice`)
  const [action = 'allow'] = actions
  if (action === 'allow') return null
  if (action === 'block' || action === 'log') return action
  throw new Error(
    `\`@filter_input\` asks for \`${PROMPT_INJECTION}=${action.slice(0, 32)}\`: a text that steers a model holds no value to change; write block, log or allow`,
  )
}

/** Every one of several permits holds: the stricter action, all origins, a canary if one asks for it. */
export function mergeGuards(all: readonly ModelGuards[]): ModelGuards {
  const origins = UNTRUSTED_ORIGINS.filter((origin) => all.some(({ markUntrusted }) => markUntrusted?.includes(origin)))
  const injection = all.some((one) => one.injection === 'block') ? 'block' : all.some((one) => one.injection === 'log') ? 'log' : null
  return {
    ...(injection === null ? {} : { injection }),
    ...(origins.length === 0 ? {} : { markUntrusted: Object.freeze(origins) }),
    ...(all.some(({ canary }) => canary) ? { canary: true } : {}),
  }
}

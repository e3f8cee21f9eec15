/**
 * A variable of the environment; undefined when it is empty too, as scripts leave those that they do not set. An empty path would be taken
 * for the folder that the command runs in, and secrets written there.
 */
export function variable(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  return environment[name] || undefined
}

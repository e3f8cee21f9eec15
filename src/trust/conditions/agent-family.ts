/** In this order: each later one is also named in the texts of those before it. */
const BROWSERS = ['Edg', 'OPR', 'SamsungBrowser', 'Firefox', 'Chrome', 'Safari'] as const
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Macintosh', 'Linux'] as const
const MAX_CHARACTERS = 64

/**
 * The program behind a `user-agent` (RFC 9110 §10.1.5) without its versions, so that an update is no new device.
 * Whoever sends the header chooses it: it tells honest devices apart and no others.
 */
export function agentFamily(userAgent: string): string {
  if (userAgent.startsWith('Mozilla/')) {
    const browser = BROWSERS.find((name) => userAgent.includes(`${name}/`)) ?? 'other'
    const system = SYSTEMS.find((name) => userAgent.includes(name)) ?? 'other'
    return `${browser} on ${system}`
  }
  return userAgent.split(/[/ (]/, 1)[0]!.slice(0, MAX_CHARACTERS).toLowerCase()
}

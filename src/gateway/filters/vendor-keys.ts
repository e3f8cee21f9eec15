/** Forms of keys and tokens that vendors document, told by their prefix. One entry a form; `rest` is what follows the prefix. */
export interface VendorKey {
  readonly prefix: string
  readonly rest: 'alphanumeric' | 'base64url' | 'hex' | 'upper'
  readonly least: number
  /** Exact length of the rest, when the vendor fixes it; longer is then no key. */
  readonly exact?: true
  readonly score: number
}

const key = (prefix: string, rest: VendorKey['rest'], least: number, exact?: true, score = 0.95): VendorKey => ({
  prefix,
  rest,
  least,
  score,
  ...(exact ? { exact } : {}),
})

const VENDOR_KEYS: readonly VendorKey[] = [
  key('sk-ant-', 'base64url', 20), // Anthropic
  key('sk-proj-', 'base64url', 20), // OpenAI
  key('sk-svcacct-', 'base64url', 20),
  key('sk-admin-', 'base64url', 20),
  key('sk-or-v1-', 'hex', 32), // OpenRouter
  key('sk-', 'alphanumeric', 20, undefined, 0.85), // OpenAI, first form, and those who copied it
  key('xai-', 'alphanumeric', 40), // xAI
  key('gsk_', 'alphanumeric', 40), // Groq
  key('r8_', 'alphanumeric', 30), // Replicate
  key('hf_', 'alphanumeric', 30), // Hugging Face
  key('AKIA', 'upper', 16, true), // AWS access key ids
  key('ASIA', 'upper', 16, true),
  key('ABIA', 'upper', 16, true),
  key('ACCA', 'upper', 16, true),
  key('AIza', 'base64url', 35, true), // Google
  key('GOCSPX-', 'base64url', 24),
  key('ghp_', 'alphanumeric', 30), // GitHub
  key('gho_', 'alphanumeric', 30),
  key('ghu_', 'alphanumeric', 30),
  key('ghs_', 'alphanumeric', 30),
  key('ghr_', 'alphanumeric', 30),
  key('github_pat_', 'base64url', 22),
  key('glpat-', 'base64url', 20), // GitLab
  key('glrt-', 'base64url', 20),
  key('xoxb-', 'base64url', 10), // Slack
  key('xoxp-', 'base64url', 10),
  key('xoxa-', 'base64url', 10),
  key('xoxr-', 'base64url', 10),
  key('xoxs-', 'base64url', 10),
  key('xapp-', 'base64url', 10),
  key('sk_live_', 'alphanumeric', 10), // Stripe
  key('sk_test_', 'alphanumeric', 10),
  key('rk_live_', 'alphanumeric', 10),
  key('rk_test_', 'alphanumeric', 10),
  key('pk_live_', 'alphanumeric', 10, undefined, 0.6),
  key('whsec_', 'alphanumeric', 24),
  key('npm_', 'alphanumeric', 36, true), // npm
  key('pypi-', 'base64url', 50), // PyPI
  key('dop_v1_', 'hex', 64, true), // DigitalOcean
  key('dapi', 'hex', 32, true), // Databricks
  key('shpat_', 'hex', 32, true), // Shopify
  key('shpss_', 'hex', 32, true),
  key('glsa_', 'base64url', 32), // Grafana
  key('lin_api_', 'alphanumeric', 32), // Linear
  key('sq0atp-', 'base64url', 22), // Square
  key('SK', 'hex', 32, true, 0.6), // Twilio
]

/** Longer prefixes first, so that the more telling form is tried first. */
const BY_FIRST = new Map<string, readonly VendorKey[]>()
for (const entry of [...VENDOR_KEYS].sort((a, b) => b.prefix.length - a.prefix.length)) {
  BY_FIRST.set(entry.prefix[0]!, [...(BY_FIRST.get(entry.prefix[0]!) ?? []), entry])
}

const ALPHABETS: Readonly<Record<VendorKey['rest'], RegExp>> = {
  alphanumeric: /^[A-Za-z0-9]*$/u,
  base64url: /^[A-Za-z0-9_-]*$/u,
  hex: /^[0-9a-f]*$/u,
  upper: /^[A-Z2-7]*$/u,
}

/** @param token letters, digits, `_` and `-` only. @returns the score, 0 if the token has no vendor's form. */
export function vendorKeyScore(token: string): number {
  for (const { prefix, rest, least, exact, score } of BY_FIRST.get(token[0] ?? '') ?? []) {
    if (!token.startsWith(prefix)) continue
    const length = token.length - prefix.length
    if (length < least || (exact && length !== least)) continue
    const secret = token.slice(prefix.length)
    // Words joined by dashes, `sk-learn-compatible-estimators`, have no digit.
    if (ALPHABETS[rest].test(secret) && (rest === 'upper' || /\d/u.test(secret))) return score
  }
  return 0
}

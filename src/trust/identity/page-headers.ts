/**
 * Nothing inline, nothing from elsewhere, no framing: a page may load files of ours and talk to us. Forms go to us and, where a flow ends,
 * to the address that was registered for it. @param formTarget another origin that forms may be redirected to. @see CSP Level 3
 */
export const contentSecurityPolicy = (formTarget: string | null = null): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'${formTarget === null ? '' : ` ${formTarget}`}; base-uri 'none'; frame-ancestors 'none'`

/** Of every page that people see. What a page may do with security keys it adds itself. */
export const PAGE_HEADERS_OF_ALL = {
  'content-security-policy': contentSecurityPolicy(),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
} as const

export const BINDINGS = ['none', 'dpop', 'mtls'] as const
/** What holds a token to whoever it was given to: nothing, a key (RFC 9449), the certificate of the connection (RFC 8705). */
export type BindingKind = (typeof BINDINGS)[number]

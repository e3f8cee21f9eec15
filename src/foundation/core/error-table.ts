/**
 * Every error and refusal that Redoubt can give, in one table. The code is the contract, the message is for people.
 * `status` is the HTTP status at the edge, `next` tells the reader what to do. Sections are kept by the room that raises them.
 */
export interface ErrorEntry {
  readonly status: number
  readonly title: string
  readonly next: string
}

const entry = (status: number, title: string, next: string): ErrorEntry => ({ status, title, next })

export const ERROR_TABLE = {
  // core: input at the edge
  ERR_INPUT_MALFORMED: entry(400, 'the body is not well-formed', 'send one JSON document in UTF-8'),
  ERR_INPUT_DUPLICATE_KEY: entry(400, 'the body names a member twice', 'name each member once'),
  ERR_INPUT_TOO_DEEP: entry(400, 'the body is nested too deeply', 'flatten the document'),
  ERR_INPUT_TOO_LARGE: entry(413, 'the body is too large', 'send less in one request'),
  ERR_INPUT_DIGEST: entry(400, 'the body is not what its digest says', 'send the body whole, with its own `content-digest` (RFC 9530)'),
  ERR_INPUT_TIMEOUT: entry(408, 'the body did not arrive in time', 'send the request again'),
  // 499 is nobody's standard and everybody's practice: nobody is there to read it, but the record and the metrics are.
  ERR_CLIENT_GONE: entry(499, 'the client closed the connection', 'send the request again and wait for the answer'),
  ERR_INPUT_INVALID: entry(400, 'the request does not fit the schema', 'compare the request with the reference'),
  ERR_INPUT_CONTENT_TYPE: entry(
    415,
    'the content type is not understood',
    'send the type that the endpoint takes, mostly `application/json`',
  ),
  ERR_ROUTE_UNKNOWN: entry(404, 'there is no such endpoint', 'see the reference for the endpoints that exist'),
  ERR_METHOD_NOT_ALLOWED: entry(405, 'the endpoint does not take this method', 'use a method named in the `allow` header'),
  ERR_HOST_INVALID: entry(421, 'the host or path is not canonical', 'send one host header and a plain path'),
  ERR_FORWARDED_INVALID: entry(
    400,
    'a trusted proxy says in no clear way whom it forwards for',
    'let the proxy append the caller’s address to `x-forwarded-for` or `forwarded`, and to one of them only, and write the client’s certificate itself, once',
  ),
  ERR_INTERNAL: entry(500, 'the request could not be answered', 'look up the request id in the server log'),
  ERR_DRAINING: entry(503, 'the server is shutting down', 'send the request again shortly'),
  ERR_BUSY: entry(503, 'too much of this is under way', 'try again when some of it has ended'),
  ERR_NOT_FOUND: entry(404, 'there is no such object', 'list what exists'),
  ERR_CONFLICT: entry(409, 'that does not go with what is there', 'look at what is there; if a name is taken, choose another one'),

  // config
  ERR_CONFIG_INVALID: entry(500, 'the configuration is not valid', 'correct the named key'),
  ERR_CONFIG_SECRET: entry(500, 'a secret reference cannot be resolved', 'check the `env:` or `file:` reference'),
  ERR_SERVER_FILE: entry(
    500,
    'the files here that say which server to use may be of someone else',
    'name the server with `REDOUBT_URL` and `REDOUBT_CA`, or its folder with `--data-dir` when you trust it',
  ),
  ERR_CONFIG_INSECURE: entry(
    500,
    'an insecure default is refused in production',
    'do what the message says: set the named key, or mend the named file',
  ),

  // storage
  ERR_STORAGE_FULL: entry(507, 'the disk is full', 'free disk space; nothing was written'),
  ERR_STORAGE_IO: entry(503, 'the storage failed', 'check the disk and the permissions'),
  ERR_STORAGE_LOCKED: entry(
    503,
    'another server uses this directory',
    'stop the other server, or choose another directory with `--data-dir` or `--secrets-dir`',
  ),
  ERR_STORAGE_CORRUPT: entry(
    500,
    'stored data do not match their checksum',
    'stop the server and put a backup in their place with `redoubt restore`',
  ),

  ERR_BACKUP_INVALID: entry(422, 'the backup is not whole, or was changed', 'take another backup'),

  // crypto
  ERR_CRYPTO_AUTHENTICATION: entry(500, 'the ciphertext is not authentic', 'restore the file from backup'),
  ERR_CRYPTO_FORMAT: entry(500, 'the file is not in the RDBT1 format', 'check that the file was written by Redoubt'),
  ERR_CRYPTO_RECIPIENT: entry(400, 'this is no recipient', 'give the whole line of the `.pub` file that `redoubt keys recipient` wrote'),
  ERR_CRYPTO_NO_KEY: entry(
    403,
    'no key given here opens the file',
    'name the recipient’s key file with `--key`, or the file’s passphrase with `--passphrase-file`',
  ),
  ERR_CRYPTO_PARAMETER: entry(500, 'a cryptographic parameter is out of range', 'use the documented range'),

  // keys
  ERR_KEYS_PASSPHRASE: entry(500, 'the passphrase does not open the keyring', 'check the passphrase reference'),
  ERR_KEYS_KEYRING_CORRUPT: entry(500, 'the keyring does not match its checksum', 'restore the keyring from backup'),
  ERR_KEYS_UNKNOWN: entry(404, 'there is no such key', 'run `redoubt keys list`'),
  ERR_KEYS_DESTROYED: entry(
    410,
    'the key was destroyed',
    'ask for something else: nothing under this key can be read any more; `redoubt data erasures` says why',
  ),
  ERR_KEYS_EXHAUSTED: entry(503, 'the key was used too often', 'make a new version of it with `redoubt keys rotate`'),
  ERR_KEYS_SEALED: entry(503, 'the server is sealed', 'let the holders of shares run `redoubt keys unseal` on its host'),
  ERR_KEYS_SHARE: entry(400, 'the share is not one of this keyring', 'give a share of the newest set, as it was written down'),
  ERR_KEYS_DISABLED: entry(503, 'the key provider has disabled the key', 'enable the key where it is held'),
  ERR_KEYS_PROVIDER_UNAVAILABLE: entry(
    503,
    'the key provider does not answer',
    'check the provider and the way to it; what was asked may be repeated',
  ),
  ERR_KEYS_PROVIDER_BUSY: entry(503, 'the key provider limits its requests', 'wait, or have its limit raised'),
  ERR_KEYS_PROVIDER_DENIED: entry(
    503,
    'the key provider refuses these credentials',
    'check the credentials and what they may do at the provider',
  ),
  ERR_KEYS_PROVIDER_PROTOCOL: entry(
    502,
    'the key provider gave an answer that is not of its protocol',
    'check what stands at the address of the provider',
  ),
  ERR_KEYS_UNACCOUNTED: entry(
    500,
    'the key provider did more or less than is on record',
    'see `redoubt keys reconcile`; treat it as keys that were used past the record until it is explained',
  ),
  ERR_KEYS_EXTRACTABLE: entry(
    503,
    'a key of the token may leave it',
    'use a token that keeps its keys, with keys that were made in it by Redoubt',
  ),

  // audit
  ERR_AUDIT_UNAVAILABLE: entry(503, 'the audit log cannot be written', 'check disk and permissions of the log directory'),
  ERR_AUDIT_CORRUPT: entry(
    500,
    'the audit log does not match its own state',
    'stop the server, then run `redoubt audit verify --checkpoint` with a checkpoint that was kept outside',
  ),
  ERR_AUDIT_ENTRY_TOO_LARGE: entry(500, 'an audit entry exceeds 65,535 bytes', 'record large facts by digest'),
  ERR_AUDIT_PROOF_INVALID: entry(422, 'the proof does not verify', 'treat the log as tampered with'),
  ERR_AUDIT_CHECKPOINT_INVALID: entry(422, 'the checkpoint does not verify', 'check the verifier key'),

  // identity
  ERR_TOKEN_MISSING: entry(401, 'no access token was sent', 'send `authorization: Bearer …`'),
  ERR_TOKEN_MALFORMED: entry(401, 'the access token is not well-formed', 'get a new token'),
  ERR_TOKEN_TOO_LARGE: entry(401, 'the access token is too large', 'get a new token'),
  ERR_TOKEN_ALGORITHM: entry(401, 'the signature algorithm is not allowed', 'get a new token'),
  ERR_TOKEN_TYPE: entry(401, 'the token is not an access token', 'get an access token'),
  ERR_TOKEN_HEADER: entry(401, 'the token header is not allowed', 'get a new token'),
  ERR_TOKEN_KEY_UNKNOWN: entry(401, 'the token was signed by an unknown key', 'get a new token'),
  ERR_TOKEN_SIGNATURE: entry(401, 'the token signature does not verify', 'get a new token'),
  ERR_TOKEN_CLAIMS: entry(401, 'a claim is missing, doubled or mistyped', 'get a new token'),
  ERR_TOKEN_EXPIRED: entry(401, 'the access token has expired', 'get a new token'),
  ERR_TOKEN_NOT_YET_VALID: entry(401, 'the access token is not valid yet', 'check the clocks'),
  ERR_TOKEN_LIFETIME: entry(401, 'the access token lives too long', 'get a new token'),
  ERR_TOKEN_ISSUER: entry(401, 'the token has another issuer', 'get a token from this server'),
  ERR_TOKEN_AUDIENCE: entry(401, 'the token is for another audience', 'ask for the resource of this server'),
  ERR_TOKEN_REVOKED: entry(401, 'the access token was revoked', 'get a new token'),
  ERR_TOKEN_PLACEMENT: entry(401, 'the token was sent in a forbidden place', 'send it once, in the authorization header'),
  ERR_ACCOUNT_UNKNOWN: entry(401, 'the account does not exist any more', 'ask an administrator'),
  ERR_ACCOUNT_DISABLED: entry(401, 'the account is disabled', 'ask an administrator'),
  ERR_CLIENT_AUTHENTICATION: entry(401, 'the client could not be authenticated', 'sign a new assertion with the key of the account'),
  ERR_TOKEN_REQUEST: entry(400, 'the token request is not acceptable', 'ask for client credentials for the resource of this server'),
  ERR_ASSERTION_REPLAYED: entry(401, 'the client assertion was used before', 'sign a new assertion for each request'),
  ERR_ASSERTION_AUDIENCE: entry(401, 'the client assertion is for another server', 'name this server alone as its audience'),
  ERR_CLIENT_CERTIFICATE: entry(
    401,
    'the client certificate is missing or not that of the account',
    'connect with the registered certificate',
  ),
  ERR_CLIENT_THROTTLED: entry(
    429,
    'too many failed attempts by this address or account',
    'wait for the time in `retry-after`, or ask from where the account has authenticated before',
  ),
  ERR_TOKEN_RATE: entry(
    429,
    'too many token requests from this address (of IPv6, its /64)',
    'wait for the time in `retry-after`; use a token until it expires',
  ),
  ERR_DPOP_MISSING: entry(401, 'the proof of possession is missing or sent twice', 'send one `dpop` header with each request'),
  ERR_DPOP_MALFORMED: entry(401, 'the proof of possession is not well-formed', 'sign a new proof'),
  ERR_DPOP_TYPE: entry(401, 'the proof is of another type', 'sign a proof of type `dpop+jwt`'),
  ERR_DPOP_ALGORITHM: entry(401, 'the algorithm of the proof is not allowed', 'sign with ES256 or EdDSA'),
  ERR_DPOP_KEY: entry(401, 'the key in the proof is not a public key that is allowed', 'send the public P-256 or Ed25519 key alone'),
  ERR_DPOP_SIGNATURE: entry(401, 'the signature of the proof does not verify', 'sign a new proof'),
  ERR_DPOP_METHOD: entry(401, 'the proof is for another method', 'sign a proof for this request'),
  ERR_DPOP_URL: entry(401, 'the proof is for another address', 'sign a proof for the address of this server, without query'),
  ERR_DPOP_TIME: entry(401, 'the proof is not of this minute', 'check the clocks and sign a new proof'),
  ERR_DPOP_TOKEN: entry(401, 'the proof is for another access token', 'sign a proof with the digest of this token'),
  ERR_DPOP_NONCE: entry(401, 'the proof has to carry a nonce of this server', 'sign a new proof with the nonce in `dpop-nonce`'),
  ERR_DPOP_REPLAYED: entry(401, 'the proof was used before', 'sign a new proof for each request'),
  ERR_DPOP_BINDING: entry(401, 'the proof is by another key than the token is bound to', 'use the key that the token was asked for with'),
  ERR_DPOP_EXHAUSTED: entry(429, 'too many proofs by one account', 'wait a minute; bind the tokens of busy programs to a certificate'),
  ERR_TOKEN_DOWNGRADE: entry(401, 'the token is bound to a key and came without proof', 'send it as `authorization: DPoP …` with a proof'),
  ERR_TOKEN_SCHEME: entry(
    401,
    'a proof came with a token that is bound to no key',
    'send the token as `authorization: Bearer …`, without proof',
  ),
  ERR_TOKEN_BINDING: entry(
    401,
    'the account takes bound tokens only',
    'ask for the token with a proof or a certificate, as the account demands',
  ),
  ERR_TOKEN_CERTIFICATE: entry(
    401,
    'the token is bound to another certificate',
    'use the connection with the certificate that the token was asked for with',
  ),
  ERR_EXCHANGE_DENIED: entry(
    400,
    'the account may not act for this user',
    'create an account with `--act-for-role` and the purpose of the work',
  ),
  ERR_EXCHANGE_SUBJECT: entry(400, 'the subject token is not a live access token of a user', 'ask the user to sign in again'),
  ERR_EXCHANGE_CHAINED: entry(400, 'a token that was exchanged is not exchanged again', 'exchange the token of the user'),
  ERR_EXCHANGE_PURPOSE: entry(400, 'the account and the user work for different purposes', 'use an account with the purpose of the user'),
  ERR_ENROLMENT_INVALID: entry(403, 'the enrolment link is used, expired or unknown', 'ask for a new link'),
  ERR_WEBAUTHN: entry(403, 'the security key could not be verified', 'try again with the same key'),
  ERR_WEBAUTHN_CHALLENGE: entry(403, 'the challenge was used, has expired or was never given', 'begin again'),
  ERR_WEBAUTHN_ORIGIN: entry(403, 'the key answered for another origin', 'use the address that the server prints'),
  ERR_WEBAUTHN_RELYING_PARTY: entry(403, 'the key answered for another relying party', 'use the address that the server prints'),
  ERR_WEBAUTHN_TYPE: entry(403, 'the key answered another kind of question', 'begin again'),
  ERR_WEBAUTHN_USER_VERIFICATION: entry(403, 'the key did not verify its user', 'use a key with PIN, fingerprint or face'),
  ERR_WEBAUTHN_SIGNATURE: entry(403, 'the signature of the key does not verify', 'try again with the same key'),
  ERR_WEBAUTHN_COUNTER: entry(403, 'the counter of the key went backwards, so it may be a copy', 'remove the key and enrol another'),
  ERR_WEBAUTHN_CREDENTIAL: entry(403, 'the key is not of this person', 'use the key that was enrolled'),
  ERR_WEBAUTHN_AUTHENTICATOR: entry(403, 'this model of key is not on the list for the role', 'use a key of a listed model'),
  ERR_WEBAUTHN_SYNCED: entry(403, 'the role takes keys that cannot be copied', 'use a key that stays in its hardware'),
  ERR_TOTP_CODE: entry(403, 'the code is wrong', 'wait for the next code'),
  ERR_TOTP_REUSED: entry(403, 'the code was used before', 'wait for the next code'),
  ERR_RECOVERY_CODE: entry(403, 'the recovery code is wrong or was used', 'use another recovery code'),
  ERR_FACTOR_NOT_ALLOWED: entry(403, 'the role signs in with security keys only', 'use a security key'),
  ERR_MFA_REQUIRED: entry(403, 'two factors must have been shown just before', 'sign in again with a security key'),
  ERR_FORM_ORIGIN: entry(403, 'the form was not sent by a page of this server', 'reload the page and send the form again'),
  ERR_SIGN_IN_FLOW: entry(400, 'the sign-in was begun in another browser, is over, or took too long', 'begin again'),
  ERR_AUTHORIZATION_REQUEST: entry(
    400,
    'the authorization request is not acceptable',
    'compare the request with the metadata of the server',
  ),
  ERR_REDIRECT_URI: entry(400, 'the redirect address is not the registered one', 'use the registered address, letter for letter'),
  ERR_PKCE: entry(400, 'the proof key is missing, weak or wrong', 'use PKCE with S256'),
  ERR_GRANT_TYPE: entry(400, 'this way to get a token is not served', 'use the authorization code or the device flow'),
  ERR_SCOPE: entry(400, 'the scope was not granted', 'ask for what was granted, or less'),
  ERR_CODE_REPLAYED: entry(400, 'the code was used before; what came of it has ended', 'begin again'),
  ERR_REFRESH_REUSED: entry(400, 'the refresh token was used before; its family and session have ended', 'sign in again'),
  ERR_DEVICE_CODE: entry(403, 'no device waits for this code', 'ask the device for a new code'),
  ERR_DEVICE_POLLING: entry(400, 'the device polls too fast', 'wait five seconds longer between polls'),
  ERR_SIGN_IN: entry(403, 'signing in did not succeed', 'try again; the reason is in the audit log'),
  ERR_SIGN_IN_LOCKED: entry(429, 'too many attempts', 'wait for the time in `retry-after`'),
  ERR_SESSION_ENDED: entry(401, 'the session has ended', 'sign in again'),
  ERR_ACCOUNT_CHANGED: entry(401, 'the rights of the account were changed since', 'sign in again'),
  ERR_ACCESS_SELF: entry(403, 'nobody changes their own rights', 'ask another person who manages access'),
  ERR_ACCESS_LAST_ADMINISTRATOR: entry(
    409,
    'the last administrator who can sign in stays',
    'enrol another administrator first, then take this one away',
  ),
  ERR_RECOVERY_APPROVER: entry(
    403,
    'whoever agrees must be independent of who asks and of whom it is for',
    'ask someone else, or refuse the request and let someone else make it',
  ),
  ERR_ACCESS_PROGRAM: entry(
    403,
    'programs neither make nor change people in powerful roles',
    'let a person who manages access do it, signed in themselves',
  ),
  ERR_TOKEN_DELEGATED: entry(
    403,
    'a program that acts for a person does not do this',
    'let the person do it themselves, signed in with their own factors',
  ),
  ERR_RECOVERY_SELF: entry(403, 'recovery is agreed to by other people', 'ask two others who manage access'),

  // policy
  ERR_POLICY_DENIED: entry(403, 'no policy permits this', 'run `redoubt policy why --request` with the request id'),
  ERR_STEP_UP_REQUIRED: entry(
    401,
    'this needs fresher or stronger factors',
    'sign in again with `redoubt login` and show these factors (`acr_values`, `max_age`), then repeat the request',
  ),
  ERR_POLICY_ERROR: entry(403, 'a policy could not be evaluated, so the request is refused', 'correct the policy named in the log'),
  ERR_POLICY_PURPOSE: entry(403, 'the purpose does not fit the data', 'use an account whose purpose the data were collected for'),
  ERR_POLICY_TOOL: entry(
    403,
    'no policy lets this tool be used here',
    'leave the tool out, or have `@tools` name it on every permit that applies',
  ),
  ERR_POLICY_INVALID: entry(422, 'the policies do not validate', 'correct the policy; nothing was activated'),
  ERR_POLICY_TEST: entry(422, 'a truth table of the policies does not hold', 'correct the policy or the table; nothing was activated'),
  ERR_POLICY_ENUMERATION: entry(
    422,
    'not all requests can be enumerated, so nothing is shown',
    'write the test that is named as a comparison with constants, or raise `--max`',
  ),

  ERR_POLICY_INVARIANT: entry(422, 'the policies allow what an invariant rules out', 'correct the policy; nothing was activated'),
  ERR_POLICY_PROOF_TIME: entry(
    422,
    'the invariants could not be decided in time',
    'simplify the policy, or raise `policyProof.timeoutSeconds`; nothing was activated',
  ),

  // approvals and other exceptions
  ERR_APPROVAL_REQUIRED: entry(403, 'policy asks for approvals of this', 'run `redoubt approvals request` with the id in `approval`'),
  ERR_APPROVAL_SELF: entry(
    403,
    'who asks for it, who made what it is about, and whoever they made, do not approve it',
    'ask someone whose account neither of them made',
  ),
  ERR_APPROVAL_DIGEST: entry(409, 'what was approved is not what is asked for', 'look at it again with `redoubt approvals show`'),
  ERR_APPROVAL_STATE: entry(409, 'the approval is not open any more', 'look at it with `redoubt approvals show`, or ask anew'),
  ERR_BREAK_GLASS: entry(403, 'break-glass does not open this', 'see `docs/guides/break-glass.md` for what it opens'),
  ERR_BREAK_GLASS_REVIEW: entry(403, 'an earlier break-glass waits for its review', 'have another person run `redoubt break-glass review`'),
  ERR_REVIEW_SELF: entry(403, 'nobody reviews what is their own, or of who made their account', 'ask someone else'),

  // human review. 403 and not 409: published clients send a 409 again by themselves
  ERR_REVIEW_PENDING: entry(403, 'a person has to look at this first', 'run `redoubt review show` with the id in the message'),
  ERR_REVIEW_REJECTED: entry(403, 'a person looked at this and refused it', 'read the reason with `redoubt review show`'),
  ERR_REVIEW_EXPIRED: entry(403, 'nobody looked at this in time, so it is refused', 'send the request again, and tell those who review'),
  ERR_REVIEW_OVERRIDDEN: entry(403, 'a person decided otherwise than the model', 'read the decision with `redoubt review answer`'),
  ERR_REVIEW_FULL: entry(503, 'too much waits for a person to look at it', 'have those who review work through `redoubt review list`'),
  ERR_REVIEW_TOO_LARGE: entry(413, 'this is too large for a person to look at', 'ask for less at once'),
  ERR_REVIEW_BINDING: entry(403, 'the review is of another request', 'send exactly the request that was looked at'),
  ERR_REVIEW_STATE: entry(409, 'the review does not allow this any more, or not yet', 'look at it with `redoubt review show`'),

  // limits
  ERR_LIMIT_REQUESTS: entry(429, 'the request limit is reached', 'wait for the time in `retry-after`'),
  ERR_LIMIT_ROWS: entry(429, 'the row limit is reached', 'wait for the time in `retry-after`'),
  ERR_LIMIT_TOKENS: entry(429, 'the token limit is reached', 'wait for the time in `retry-after`'),
  ERR_LIMIT_CALL_SIZE: entry(413, 'one call asks for too much', 'split the call'),

  // filters
  ERR_FILTER_BLOCKED_INPUT: entry(400, 'the input contains values that this endpoint may not receive', 'remove the values'),
  ERR_FILTER_BLOCKED_OUTPUT: entry(400, 'the answer contained values that may not leave', 'ask for something else'),
  ERR_FILTER_CANARY: entry(400, 'the answer gave the system prompt away and was stopped', 'ask for something else'),
  ERR_FILTER_TOOL_CALL: entry(
    400,
    'the answer called a tool as it may not be called',
    'offer the model only tools that it may call, with schemas that it can fit',
  ),
  ERR_FILTER_UNREADABLE: entry(
    400,
    'the input contains what no filter can read',
    'send it as text, or have a policy with `@unread_input` let this kind pass',
  ),
  ERR_FILTER_ENTITY: entry(500, 'a policy asks to filter what no recogniser finds', 'correct the entity in the filter annotation'),
  ERR_FILTER_FAILED: entry(500, 'a recogniser failed, so nothing was let through', 'report the recogniser that the message names'),
  ERR_FILTER_RECOGNISER: entry(422, 'a recogniser of your own is refused', 'write it as the message says'),

  // datasets
  ERR_DATA_RAGGED: entry(422, 'a row has another number of fields than the header', 'correct the named line'),
  ERR_DATA_MISTYPED: entry(422, 'a value does not fit the type of its column', 'correct the named line'),
  ERR_DATA_COLUMN: entry(422, 'a column is missing, doubled or not allowed here', 'correct the header or the option'),
  ERR_DATA_MALFORMED: entry(422, 'the file is not well-formed CSV', 'correct the named line; write CSV in UTF-8 as in RFC 4180'),
  ERR_DATA_SENSITIVITY: entry(
    422,
    'what was found in the columns calls for more than the sensitivity that was given',
    'look with `redoubt data scan FILE`; give that sensitivity, or leave out `--strict`',
  ),
  ERR_DATA_ROWS: entry(422, 'rows do not fit the columns', 'correct the named rows, which count from 0, and send the whole batch again'),
  ERR_DATA_UNKNOWN: entry(404, 'there is no such data set', 'run `redoubt data list`'),
  ERR_DATA_CHANGED: entry(409, 'rows were erased from the data set while it was read', 'ask again'),
  ERR_DATA_SHREDDED: entry(410, 'the data set was shredded', 'choose another name; what was shredded cannot be read any more'),
  ERR_CERTIFICATE_INVALID: entry(
    422,
    'the certificate is not one that this key signed',
    'compare the key with the one that the server gives: `redoubt data certificate-key`',
  ),
  ERR_LEGAL_HOLD: entry(
    409,
    'a legal hold forbids to erase this',
    'wait until it ends, or have a privacy officer lift it: `redoubt data hold list`',
  ),

  // training
  ERR_TRAINING_LABEL: entry(422, 'the label column is not binary', 'use a label column of 0 and 1'),
  ERR_TRAINING_EXAMPLES: entry(422, 'no classifier comes of these examples', 'give more examples, or others, as the message says'),
  ERR_TRAINING_FAILED: entry(500, 'the training did not converge', 'look at the data or choose another algorithm'),

  // transforms
  ERR_TRANSFORM_DEFINITION: entry(
    422,
    'the transform is not sound',
    'correct the place that the message names; `redoubt transform check` looks at all of it',
  ),
  ERR_TRANSFORM_VALUE: entry(422, 'a value came out that cannot be kept', 'guard the named step, for example with `if` or `filter`'),
  ERR_TRANSFORM_LIMIT: entry(422, 'the transform is larger than its bounds', 'join with fewer rows or columns, or filter first'),
  ERR_TRANSFORM_TIMEOUT: entry(504, 'the transform took too long', 'do it in several parts'),
  ERR_TRANSFORM_CANCELLED: entry(
    409,
    'the run was cancelled',
    'nothing was made; run the transform again, or ask who cancelled it: `redoubt audit search --type transform.cancel`',
  ),
  ERR_TRANSFORM_FAILED: entry(500, 'the thread of the transform failed', 'look at the server’s log'),

  // registry
  ERR_MODEL_UNKNOWN: entry(404, 'there is no such model or version', 'run `redoubt model list`'),
  ERR_MODEL_SIGNATURE: entry(422, 'the model signature does not verify', 'do not deploy this file; register the model again'),
  ERR_MODEL_FORMAT: entry(422, 'the model file is not acceptable', 'see the reason; export the model again'),
  ERR_MODEL_QUARANTINED: entry(403, 'the model is quarantined', 'deploy another version or ask a security officer'),
  ERR_EXPLANATION: entry(
    422,
    'this cannot be explained',
    'see the reason; models trained here and calls that name a subject can be explained',
  ),
  ERR_MODEL_ROLLBACK: entry(409, 'this version cannot be gone back to', 'run `redoubt model show` to see what served before'),
  ERR_MODEL_UNDEPLOYED: entry(404, 'the model is not deployed', 'run `redoubt model deploy`'),

  // serving
  ERR_MODEL_CRASHED: entry(503, 'the model process failed', 'try again; the process was restarted'),
  ERR_MODEL_BUSY: entry(503, 'too many calls wait for this model', 'try again shortly'),
  ERR_MODEL_TIMEOUT: entry(504, 'the model did not answer in time', 'send fewer rows'),
  ERR_MODEL_SURFACE: entry(400, 'the model is not served at this endpoint', 'call the endpoint that the message names'),
  ERR_UPSTREAM_UNREACHABLE: entry(502, 'the upstream cannot be reached', 'check the upstream with `redoubt doctor`'),
  ERR_UPSTREAM_TIMEOUT: entry(504, 'the upstream did not answer in time', 'try again'),
  ERR_UPSTREAM_RESET: entry(502, 'the upstream broke off', 'try again'),
  ERR_UPSTREAM_PROTOCOL: entry(
    502,
    'the upstream answered in a form that is not understood',
    'check what stands at its `baseUrl`, with `redoubt doctor`',
  ),
  ERR_UPSTREAM_REFUSED: entry(502, 'the upstream refused the request', 'check the upstream credentials and the request'),
  ERR_UPSTREAM_REJECTED: entry(400, 'the upstream did not accept the request', 'correct the member named in `param`'),
  ERR_UPSTREAM_LIMIT: entry(429, 'the upstream limits its requests', 'wait, or raise the limit at the upstream'),

  // alerts
  ERR_ALERT_DELIVERY: entry(502, 'an alert could not be delivered', 'check the place with `redoubt doctor`'),

  // commands
  ERR_DEMO_SURPRISE: entry(
    500,
    'the tour met something that it did not expect',
    'run `redoubt doctor`, then look at the log with `redoubt audit search`',
  ),
  ERR_SERVER_UNREACHABLE: entry(
    503,
    'no server answers',
    'start one with `redoubt up`, or name the one that you mean with `--url` or `--data-dir`',
  ),
  ERR_USAGE: entry(400, 'the command line is not understood', 'run the command with `--help`'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERROR_TABLE

import type { EntityFacts, EntityUid, ErrorCode, LegalBasis, Role } from '#foundation/core'
import type { PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server'
import type { Acting } from './acting.ts'
import type { AssertionResponse } from './verify-assertion.ts'

/** 1 one factor, 2 two factors, 3 two factors of which one is a key that cannot leave its hardware. */
export type MfaLevel = 1 | 2 | 3

/** A human being who may sign in. Immutable; a change is a new object. */
export interface Person {
  /** `user_…`: also the entity id and the `sub` of access tokens. Never given twice. */
  readonly id: string
  readonly roles: readonly Role[]
  /** Names of Cedar `Group` entities. */
  readonly groups: readonly string[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
  readonly disabled: boolean
  /** Counts what ends all tokens of the person at once: other rights, a factor removed, disabling. The claim `account_epoch`. */
  readonly epoch: number
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly factors: { readonly passkeys: number; readonly totp: boolean; readonly recoveryCodes: number }
  /** Whether a role of theirs is powerful: then only passkeys sign them in, of the configured models when there is such a list. */
  readonly powerful: boolean
  /** As policies see the person before any factor was shown (`mfaLevel` 0). */
  readonly facts: EntityFacts
}

/** Whoever tries to sign in, as they say it: by login name, or known already (step-up). */
export type Claimant = { readonly loginName: string } | { readonly userId: string }

export interface SignedIn {
  readonly person: Person
  /** RFC 8176: `hwk` or `swk` with `user` and `mfa` for a passkey, `otp` for TOTP and recovery codes. */
  readonly amr: readonly string[]
  readonly mfaLevel: MfaLevel
  /** Epoch milliseconds when the factors were shown. */
  readonly authTime: number
  /** By a recovery code: offer to enrol a new factor. */
  readonly recovered: boolean
}

/**
 * Why not, fit to be shown: `ERR_SIGN_IN` whatever was wrong (the reason is in the log), or `ERR_SIGN_IN_LOCKED`. Neither tells whether
 * a person of that name exists.
 */
export interface SignInRefusal {
  readonly code: Extract<ErrorCode, 'ERR_SIGN_IN' | 'ERR_SIGN_IN_LOCKED'>
  /** For `retry-after`; 0 unless locked. */
  readonly retryAfterSeconds: number
}

/** Where someone signs in from. Neither is stored in clear. */
export interface SignInSource {
  /** IP address as the gateway believes it. */
  readonly sourceAddress: string
  readonly userAgent: string
}

export interface Session {
  /** `ses_…`: the claim `sid`, and how lists and `DELETE /api/v1/sessions/:id` name it. Opens nothing by itself. */
  readonly id: string
  readonly userId: string
  readonly mfaLevel: MfaLevel
  readonly amr: readonly string[]
  /** Epoch milliseconds. */
  readonly authTime: number
  readonly createdAt: number
  readonly lastSeenAt: number
  /** When it ends by itself if nothing more is heard: idle or absolute end, whichever comes first. */
  readonly expiresAt: number
}

/** What a browser keeps as its cookie: 256 random bits in base64url, given out here and kept only as digest. */
export interface OpenedSession {
  readonly session: Session
  readonly secret: string
}

/** A session as its owner and the security officer see it. */
export interface ListedSession extends Session {
  /** Null when the person was erased. */
  readonly sourceAddress: string | null
  readonly userAgent: string | null
}

export interface Sessions {
  /** Recorded and durable before it resolves. A new secret each time: whatever a browser held before signing in is worth nothing. */
  open(signedIn: SignedIn, source: SignInSource): Promise<OpenedSession>
  /**
   * For a device that someone who is signed in lets act as them: what they showed, when they showed it, and no longer than the session
   * that it comes from could last. @throws {RedoubtError} `ERR_SESSION_ENDED` when that has ended.
   */
  openFrom(sessionId: string, source: SignInSource): Promise<OpenedSession>
  /** By the id in tokens. Null when it ended, was idle too long or is over. Synchronous, cheap; does not count as activity. */
  get(id: string): Session | null
  /** By the secret in the cookie; counts as activity. */
  bySecret(secret: string): Session | null
  /**
   * Step-up: the same session with more shown and a new secret; the old secret is dead. A weaker factor than was shown before raises and
   * freshens nothing: level and time are those of before. @throws {RedoubtError} `ERR_SESSION_ENDED`, `ERR_SIGN_IN` for another person.
   */
  raise(id: string, signedIn: SignedIn): Promise<OpenedSession>
  /** Of one person, newest first. */
  list(userId: string): Promise<readonly ListedSession[]>
  /** Effective on the next request and cuts running streams; durable and recorded when it resolves. Ending what has ended does nothing. */
  end(id: string, by: EntityUid): Promise<void>
  endAll(userId: string, by: EntityUid): Promise<void>
}

export interface EnrolmentLink {
  readonly url: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

export interface NewPerson {
  /** How they name themselves at sign-in, mostly an e-mail address. Compared without regard to case; stored as keyed hash and sealed. */
  readonly loginName: string
  readonly roles: readonly Role[]
  readonly groups?: readonly string[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
}

export interface Factor {
  readonly kind: 'passkey' | 'totp'
  /** Hex SHA-256 of the credential id; `totp` for the code generator. */
  readonly id: string
  readonly aaguid: string
  readonly synced: boolean
  readonly createdAt: number
  readonly lastUsedAt: number | null
}

/** A request to give a person who lost every factor a new link. */
export interface Recovery {
  readonly id: string
  readonly userId: string
  readonly requestedAt: number
  readonly expiresAt: number
  /** Ids of the people who agreed so far, as far as their yes counts now. */
  readonly approvals: readonly string[]
}

/** People, their factors and their sessions. */
export interface People {
  find(userId: string): Person | null
  /** By keyed hash of the name; the same work whether there is such a person or not. */
  byLoginName(name: string): Person | null
  list(): readonly Person[]
  /** Whether this account, or a key of it, was made by `maker`: one hand with two names. */
  isMadeBy(userId: string, maker: EntityUid): boolean
  /** The sealed login name. Null when there is none or the person was erased. */
  loginNameOf(userId: string): Promise<string | null>
  factorsOf(userId: string): readonly Factor[]

  readonly assertion: {
    /** Null: a discoverable credential says who it is. An unknown name gets options of the same shape as a known one. */
    begin(
      claimant: Claimant | null,
      source: SignInSource,
    ): Promise<{ readonly handle: string; readonly options: PublicKeyCredentialRequestOptionsJSON }>
    /** The challenge behind the handle is spent, whatever the answer is worth. Each refusal is in the log with its own reason. */
    complete(handle: string, response: AssertionResponse, source: SignInSource): Promise<SignedIn | SignInRefusal>
  }
  readonly totp: { verify(claimant: Claimant, code: string, source: SignInSource): Promise<SignedIn | SignInRefusal> }
  /** A recovery code is one factor, once. */
  readonly recovery: { use(claimant: Claimant, code: string, source: SignInSource): Promise<SignedIn | SignInRefusal> }
  readonly sessions: Sessions

  readonly enrolment: {
    /**
     * A one-use link to add a passkey (or TOTP, for who is not powerful), for a person who never had a factor. A newer link of the
     * same person replaces it. @throws {RedoubtError} `ERR_CONFLICT` for who had one: they make their own, or two others help them.
     */
    createLink(userId: string, by: Acting): Promise<EnrolmentLink>
    /** For oneself. @throws {RedoubtError} `ERR_MFA_REQUIRED` unless two factors or a recovery code were shown within five minutes. */
    ownLink(signedIn: Pick<SignedIn, 'mfaLevel' | 'authTime' | 'recovered'>, userId: string): Promise<EnrolmentLink>
  }

  create(ask: NewPerson, by: Acting): Promise<{ readonly person: Person; readonly link: EnrolmentLink }>
  disable(userId: string, by: Acting): Promise<Person>
  enable(userId: string, by: Acting): Promise<Person>
  /**
   * Ends the access tokens of the person: a new token has the new rights. Sessions go on, unless a powerful role is given. What is taken away takes effect on the next
   * request and before it is recorded; what is added is recorded first.
   */
  change(userId: string, change: { readonly roles?: readonly Role[]; readonly groups?: readonly string[] }, by: Acting): Promise<Person>
  /** Ends tokens and sessions. */
  removeFactor(userId: string, factorId: string, by: Acting): Promise<Person>

  readonly lostKey: {
    request(userId: string, by: Acting): Promise<Recovery>
    list(): readonly Recovery[]
    /** The second of two people other than the one concerned ends all factors and sessions and gets the new link. */
    approve(recoveryId: string, by: Acting): Promise<{ readonly recovery: Recovery; readonly link: EnrolmentLink | null }>
    /** For good. By someone who may agree, or by the person concerned. */
    deny(recoveryId: string, by: Acting): Promise<Recovery>
  }
}

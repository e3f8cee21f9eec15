export { canonicalJson, canonicalString, type JsonObject, type JsonValue } from './canonical-json.ts'
export { type Clock, ManualClock, systemClock } from './clock.ts'
export { ERROR_TABLE, type ErrorCode, type ErrorEntry } from './error-table.ts'
export { variable } from './environment.ts'
export { asRedoubtError, type AuthenticationScheme, RedoubtError } from './errors.ts'
export { countHeader } from './header-lines.ts'
export { newId } from './ids.ts'
export { modulesDigest, RUNNING_EXTENSION } from './module-digest.ts'
export { processFacts, SERVER_SPIFFE_ID } from './own-process.ts'
export { type Alert, ALERT_SEVERITIES, type AlertSeverity, type AlertSink } from './ports/alerts.ts'
export { type AuditEvent, type AuditReceipt, type AuditSink, type PersonalFields } from './ports/audit.ts'
export { type ConditionFacts, type ConditionRequest, type ConditionSource, NOTHING_REMARKABLE } from './ports/conditions.ts'
export {
  CLASSIFIER,
  FALSE_ALARMS,
  LEAST_FALSE_ALARMS,
  MOST_CANARIES,
  MOST_FALSE_ALARMS,
  REGISTERED_KINDS,
  type RegisteredKind,
} from './ports/confidential.ts'
export { type ColumnScan, type ColumnScanner, type DataScan, type TableScan } from './ports/data-scan.ts'
export {
  type Decider,
  type Decision,
  type DecisionContext,
  type DecisionQuery,
  DEFAULT_MAX_REQUESTS,
  MFA_NEVER,
  ORDINARY_REQUEST,
} from './ports/decision.ts'
export {
  type Action,
  ACTIONS,
  type EntityFacts,
  type EntityUid,
  type FactValue,
  isMoreSensitive,
  LEGAL_BASES,
  type LegalBasis,
  type Role,
  ROLES,
  SENSITIVITIES,
  type Sensitivity,
  SPECIAL_CATEGORIES,
  type SpecialCategory,
  type TaggedFact,
} from './ports/entities.ts'
export { type LegalHolds } from './ports/holds.ts'
export { type ExceptionAsk, type ExceptionSource, NO_EXCEPTIONS } from './ports/exceptions.ts'
export { type Ground, GROUNDS } from './ports/erasure.ts'
export { PRESET_NAMES, type PresetName, SCORE_THRESHOLD } from './ports/filters.ts'
export {
  type LimitRule,
  type ModelGuards,
  type Obligations,
  type ReviewWish,
  UNREADABLE_KINDS,
  type UnreadableKind,
  UNTRUSTED_ORIGINS,
  type UntrustedOrigin,
} from './ports/obligations.ts'
export {
  NO_REVIEWS,
  REVIEW_KINDS,
  type ReviewAsk,
  type ReviewKind,
  type ReviewQueue,
  type ReviewState,
  type ReviewTicket,
} from './ports/reviews.ts'
export { type SealedFields, type Signer, type SubjectSealer } from './ports/sealing.ts'
export { nextOf, problemOf } from './problem.ts'
export { FILTER_ACTIONS, type FilterAction, stricterAction } from './filter-actions.ts'
export { COLUMN_MASKS, type ColumnMask, type ReadColumn, type RowCells, type RowCondition, stricterMask } from './row-access.ts'
export { type JsonBounds, parseStrictJson, parseStrictJsonText } from './strict-json.ts'
export { asksMoreOfTools, HOSTED, isToolAllowed, type ToolRules } from './tool-rules.ts'

export { canonicalJson, canonicalString, type JsonObject, type JsonValue } from './canonical-json.ts'
export { type Clock, ManualClock, systemClock } from './clock.ts'
export { ERROR_TABLE, type ErrorCode, type ErrorEntry } from './error-table.ts'
export { asRedoubtError, type AuthenticationScheme, RedoubtError } from './errors.ts'
export { countHeader } from './header-lines.ts'
export { newId } from './ids.ts'
export {
  type Action,
  ACTIONS,
  type Alert,
  ALERT_SEVERITIES,
  type AlertSeverity,
  type AlertSink,
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  type ConditionFacts,
  type ConditionRequest,
  type ConditionSource,
  type Decider,
  type Decision,
  type DecisionContext,
  type DecisionQuery,
  type EntityFacts,
  type EntityUid,
  type ExceptionAsk,
  type ExceptionSource,
  type FactValue,
  LEGAL_BASES,
  type LegalBasis,
  type LimitRule,
  type Obligations,
  type PersonalFields,
  type Role,
  MFA_NEVER,
  NO_EXCEPTIONS,
  NO_REVIEWS,
  NOTHING_REMARKABLE,
  ORDINARY_REQUEST,
  REVIEW_KINDS,
  type ReviewAsk,
  type ReviewKind,
  type ReviewQueue,
  type ReviewState,
  type ReviewTicket,
  type ReviewWish,
  ROLES,
  type SealedFields,
  SENSITIVITIES,
  type Sensitivity,
  type Signer,
  type SubjectSealer,
  type TaggedFact,
  UNREADABLE_KINDS,
  type UnreadableKind,
} from './ports.ts'
export { FILTER_ACTIONS, type FilterAction, stricterAction, UNAVAILABLE_FILTER_ACTIONS } from './filter-actions.ts'
export { COLUMN_MASKS, type ColumnMask, type ReadColumn, type RowCells, type RowCondition, stricterMask } from './row-access.ts'
export { type JsonBounds, parseStrictJson, parseStrictJsonText } from './strict-json.ts'

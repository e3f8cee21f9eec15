export { loadRecognisers, type OwnRecognisers } from './own/load-recognisers.ts'
export { compilePlan, type FilterPlan } from './plan.ts'
export { ENTITIES, presetEntities, PRESETS } from './presets.ts'
export { SCORE_THRESHOLD, type Recogniser } from './recogniser.ts'
export { RECOGNISERS } from './recognisers/registered.ts'
export { createRedactor, createScanner, type Redactor, type Scan, scanInSlices, scanText, SLICE_UNITS } from './redactor.ts'
export { type Finding, HOLD_BACK_CAP } from './segment-machine.ts'
export { packNamesModel, type NamesModel, shippedNamesModel, unpackNamesModel } from './names/model.ts'
export { createNameTagger, findNames, NAMES_HOLD_BACK_CAP, type NameSpan, type NameTagger } from './names/name-tagger.ts'
export { readCorpus, readLabelled, readPart } from './names/read-corpus.ts'
export { addAgreement, type Agreement, fBeta, newAgreement } from './names/token-agreement.ts'
export { type Corpus, trainNames } from './names/train-names.ts'
export type { LabelledText } from './names/labelled-text.ts'
export { classifyInjection, INJECTION_THRESHOLD, type InjectionSignal, type InjectionVerdict } from './injection/injection-classifier.ts'
export { type LabelledRow, readLabelledRows } from './injection/labelled-rows.ts'
export { type InjectionModel, packInjectionModel, shippedInjectionModel, unpackInjectionModel } from './injection/model.ts'
export { trainInjection } from './injection/train-injection.ts'
export { scoreWindows } from './injection/score-windows.ts'
export { STREAM_MODES } from './confidential/confidential-redactor.ts'
export {
  confidentialPlan,
  type ConfidentialPlans,
  type ConfidentialStore,
  openConfidential,
  type Registered,
} from './confidential/confidential-store.ts'
export { CONFIDENTIAL_ACTIONS, CONFIDENTIAL_ENTITIES } from './confidential/entities.ts'
export { SOURCE_KINDS, type SourceKind } from './confidential/fingerprint-source.ts'
export { fingerprintKey } from './confidential/keyed-hash.ts'
export { CanariesReader, MOST_CANARIES, newCanaries } from './confidential/read-canaries.ts'
export { DocumentReader } from './confidential/read-documents.ts'
export { type Cell, RowsReader } from './confidential/read-rows.ts'
export { TermsReader } from './confidential/read-terms.ts'

export { ALGORITHMS, type Algorithm, type Choices, choicesSchema, HYPER_PARAMETERS, withChoices } from './hyper-parameters.ts'
export { METADATA_KEY, type ModelMetadata, NULL_ENCODING, type TensorSpec } from './null-encoding.ts'
export { OUTPUTS, train, type TrainedModel, type TrainingOptions } from './train.ts'

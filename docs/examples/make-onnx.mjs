// Writes a small ONNX classifier as an exporter elsewhere would: `node docs/examples/make-onnx.mjs FILE [N]`; another N, another model.
// One input `X` of three numbers, outputs `label` and `probability` = sigmoid(X · w + b).
import { writeFileSync } from 'node:fs'
import protobuf from 'onnx-proto'

const FLOAT = 1
const BOOL = 9
const tensor = (name, dims, floatData) => ({ name, dims, dataType: FLOAT, floatData })
const value = (name, elemType, width) => ({
  name,
  type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'N' }, { dimValue: width }] } } },
})
const node = (opType, input, output) => ({ opType, input, output: [output], name: output })

const { ModelProto } = protobuf.onnx
const model = ModelProto.create({
  irVersion: 8,
  producerName: 'make-onnx',
  opsetImport: [{ domain: '', version: 17 }],
  graph: {
    name: 'tiny',
    initializer: [tensor('w', [3, 1], [0.8, -0.5, 1.2]), tensor('b', [1], [-0.3 * Number(process.argv[3] ?? 1)]), tensor('half', [1], [0.5])],
    node: [
      node('MatMul', ['X', 'w'], 'weighted'),
      node('Add', ['weighted', 'b'], 'score'),
      node('Sigmoid', ['score'], 'probability'),
      node('Greater', ['probability', 'half'], 'label'),
    ],
    input: [value('X', FLOAT, 3)],
    output: [value('label', BOOL, 1), value('probability', FLOAT, 1)],
  },
})
writeFileSync(process.argv[2] ?? 'tiny.onnx', ModelProto.encode(model).finish())

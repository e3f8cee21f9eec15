"""A second gRPC stack: Debian's grpcio with code generated from the published description of the interface.

Arguments: folder of the generated code, port, path of the CA certificate. The access token comes on standard input.
Prints one JSON object.
"""

import json
import struct
import sys

folder, port, ca = sys.argv[1:4]
sys.path.insert(0, folder)

import grpc  # noqa: E402
import open_inference_pb2 as messages  # noqa: E402
import open_inference_pb2_grpc as services  # noqa: E402

token = sys.stdin.readline().strip()
with open(ca, "rb") as file:
    channel = grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(file.read()))
stub = services.GRPCInferenceServiceStub(channel)
metadata = (("authorization", f"Bearer {token}"),)
TIMEOUT = 10

ROW = {
    "age": 41,
    "income": 38000,
    "amount": 9500,
    "duration_months": 36,
    "employment": "permanent",
    "purpose": "car",
    "late_payments": 1,
}


def typed():
    request = messages.ModelInferRequest(model_name="credit", id="from-python")
    for name, value in ROW.items():
        tensor = request.inputs.add(name=name, shape=[1, 1])
        if isinstance(value, str):
            tensor.datatype = "BYTES"
            tensor.contents.bytes_contents.append(value.encode())
        else:
            tensor.datatype = "INT64"
            tensor.contents.int64_contents.append(value)
    return request


def raw():
    request = messages.ModelInferRequest(model_name="credit")
    for name, value in ROW.items():
        is_text = isinstance(value, str)
        request.inputs.add(name=name, shape=[1, 1], datatype="BYTES" if is_text else "INT64")
        request.raw_input_contents.append(
            struct.pack("<I", len(value)) + value.encode() if is_text else struct.pack("<q", value)
        )
    return request


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return f"{error.code().name} {dict(error.trailing_metadata() or {}).get('redoubt-code', '')}".strip()
    return "OK"


def values(tensor):
    contents = tensor.contents
    for field in ("fp32_contents", "fp64_contents", "int64_contents", "int_contents"):
        found = list(getattr(contents, field))
        if found:
            return found
    return []


typed_answer = stub.ModelInfer(typed(), metadata=metadata, timeout=TIMEOUT)
raw_answer = stub.ModelInfer(raw(), metadata=metadata, timeout=TIMEOUT)
described = stub.ModelMetadata(messages.ModelMetadataRequest(name="credit"), metadata=metadata, timeout=TIMEOUT)
broken = typed()
broken.inputs[0].datatype = "FP64"

print(
    json.dumps(
        {
            "live": stub.ServerLive(messages.ServerLiveRequest(), timeout=TIMEOUT).live,
            "ready": stub.ServerReady(messages.ServerReadyRequest(), timeout=TIMEOUT).ready,
            "server": stub.ServerMetadata(messages.ServerMetadataRequest(), metadata=metadata, timeout=TIMEOUT).name,
            "modelReady": stub.ModelReady(
                messages.ModelReadyRequest(name="credit"), metadata=metadata, timeout=TIMEOUT
            ).ready,
            "inputs": {tensor.name: tensor.datatype for tensor in described.inputs},
            "id": typed_answer.id,
            "typed": {tensor.name: values(tensor) for tensor in typed_answer.outputs},
            "raw": {
                tensor.name: [tensor.datatype, content.hex()]
                for tensor, content in zip(raw_answer.outputs, raw_answer.raw_output_contents)
            },
            "errors": {
                "no token": code_of(lambda: stub.ModelInfer(typed(), timeout=TIMEOUT)),
                "unknown model": code_of(
                    lambda: stub.ModelReady(
                        messages.ModelReadyRequest(name="absent"), metadata=metadata, timeout=TIMEOUT
                    )
                ),
                "wrong datatype": code_of(lambda: stub.ModelInfer(broken, metadata=metadata, timeout=TIMEOUT)),
            },
        }
    )
)

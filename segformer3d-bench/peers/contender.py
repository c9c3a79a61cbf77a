"""One contender in a process of its own: prints its versions, then, for each line 'run', the milliseconds of one forward pass.

Usage: contender.py KIND FOLDER THREADS. FOLDER holds weights.safetensors, input.npy and, for two kinds, model.onnx.
The line 'logits' makes it write KIND.npy there, so that the answers can be compared.
"""

import json
import os
import sys
import time

kind, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy as np  # noqa: E402  (after the number of threads)

x = np.load(f"{folder}/input.npy")

if kind.startswith("torch"):
    import torch
    from network import SegFormer3D
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    network = SegFormer3D(x.shape[1])
    network.load_state_dict(load_file(f"{folder}/weights.safetensors"))
    network.eval()
    if kind == "torch-compile":
        network = torch.compile(network)
    elif kind == "torch-compile-max":
        network = torch.compile(network, mode="max-autotune")
    tensor = torch.from_numpy(x)

    def forward():
        with torch.inference_mode():
            return network(tensor).numpy()

    versions = f"PyTorch {torch.__version__}"
elif kind == "onnxruntime":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])

    def forward():
        return session.run(None, {"input": x})[0]

    versions = f"ONNX Runtime {onnxruntime.__version__}"
elif kind == "openvino":
    import openvino

    core = openvino.Core()
    model = core.compile_model(
        f"{folder}/model.onnx",
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"},
    )

    def forward():
        return model(x)[0]

    versions = f"OpenVINO {openvino.__version__}"
else:
    sys.exit(f"no such contender: {kind}")

answer = forward()
print(json.dumps({"versions": versions}), flush=True)
for line in sys.stdin:
    if line.strip() == "logits":
        np.save(f"{folder}/{kind}.npy", answer)
        print("written", flush=True)
    else:
        start = time.perf_counter()
        answer = forward()
        print((time.perf_counter() - start) * 1000, flush=True)

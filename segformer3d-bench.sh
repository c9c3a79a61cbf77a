#!/bin/sh
# Builds, measures a quick set of everything (below ten minutes on two cores) and writes the table to OUTPUT.md and OUTPUT.json:
#   ./segformer3d-bench.sh [OUTPUT [SECTION...]]       default: bench, all of forward parts training losses around voxels threads batches
# All benchmarks one by one: segformer3d-bench/run. Beside PyTorch, ONNX Runtime and OpenVINO: segformer3d-bench/peers.
exec "$(dirname -- "$0")/segformer3d-bench/run" quick "$@"

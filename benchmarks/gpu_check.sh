#!/usr/bin/env bash
# ZapConv on an NVIDIA GPU: correctness, memory and races, speed. In two steps, which may be on two machines:
#
#     benchmarks/gpu_check.sh prepare   builds, and collects in build/gpu what the second step needs
#     benchmarks/gpu_check.sh           runs it; writes a log per step to $OUT (build/gpu/results if not set)
#
# The second step needs the GPU, bash and, for all but the first parts, a Python with torch; no compiler and no network.
# What runs in sessions needs zaponnx and onnxruntime-gpu, too, and is left out without.
# A step that fails does not end it; it ends with a summary, and with 1 if a step failed, 77 if there is no GPU.
set -uo pipefail
cd "$(dirname "$0")/.."
here=build/gpu
out=${OUT:-$here/results}
python=${PYTHON:-python3}

prepare() {
  set -e
  mkdir -p $here
  local cmake=cmake
  [ ! -x .venv/bin/cmake ] || cmake=.venv/bin/cmake
  $cmake -S . -B build/native -DZAPONNX_CUDA=ON -DZAPONNX_BUILD_TESTS=ON
  $cmake --build build/native --target zaponnx_cuda zaponnx_cuda_gpu_test
  cp build/native/custom_ops/libzaponnx_cuda.so build/native/custom_ops/zaponnx_cuda_gpu_test $here/
  # The sanitizer, where it can be had, as it comes with the toolkit or in NVIDIA's wheel.
  if ! command -v compute-sanitizer >/dev/null; then
    $python -m pip install --quiet --upgrade --no-deps --target $here/packages 'nvidia-cuda-sanitizer-api==13.0.*' ||
      echo "compute-sanitizer is not to be had here; the second step leaves it out" >&2
    rm -rf $here/packages/nvidia/*/compute-sanitizer/{docs,x86}
  fi
}

summary=()
failed=0
step() { # NAME SECONDS COMMAND...
  local name=$1 seconds=$2 start=$SECONDS
  shift 2
  timeout "$seconds" "$@" >"$out/$name.log" 2>&1
  local code=$?
  if [ $code -eq 0 ]; then
    summary+=("ok       $name, $((SECONDS - start)) s")
  elif [ $code -eq 77 ]; then
    summary+=("skipped  $name: $(tail -n 1 "$out/$name.log")")
  else
    summary+=("FAILED   $name, code $code, $((SECONDS - start)) s: $(tail -n 1 "$out/$name.log")")
    failed=1
  fi
  echo "${summary[-1]}"
}

sanitizer() {
  command -v compute-sanitizer || find $here/packages -path '*/compute-sanitizer/compute-sanitizer' 2>/dev/null | head -n 1
}

run() {
  mkdir -p "$out"
  export ZAPONNX_CUDA_LIBRARY=${ZAPONNX_CUDA_LIBRARY:-$PWD/$here/libzaponnx_cuda.so}
  export LD_LIBRARY_PATH=$(dirname "$ZAPONNX_CUDA_LIBRARY")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  nvidia-smi >"$out/nvidia-smi.log" 2>&1
  step kernels 120 $here/zaponnx_cuda_gpu_test
  [[ ${summary[-1]} != skipped* ]] || exit 77
  local tool
  tool=$(sanitizer)
  if [ -n "$tool" ]; then
    chmod +x "$tool"
    for check in memcheck racecheck synccheck; do
      step $check 180 "$tool" --tool $check --error-exitcode 1 $here/zaponnx_cuda_gpu_test every_shape
    done
  else
    summary+=("skipped  sanitizer: compute-sanitizer was not found")
  fi
  if $python -c 'import torch' 2>/dev/null; then
    if $python -c 'import pytest' 2>/dev/null; then
      step torch 240 $python -m pytest -q -p no:cacheprovider --noconftest tests/cuda/test_kernels.py
    else
      summary+=("skipped  torch: pytest is not installed")
    fi
    if $python -c 'import pytest, zaponnx, onnxruntime' 2>/dev/null; then
      step sessions 240 $python -m pytest -q -p no:cacheprovider -o filterwarnings=default \
        tests/cuda/test_gpu_sessions.py tests/calib/test_gpu.py tests/calib/test_bound_session.py
    else
      summary+=("skipped  sessions: pytest, zaponnx or onnxruntime is not installed")
    fi
    step benchmark "${BENCHMARK_SECONDS:-400}" $python -m benchmarks.gpu --library "$ZAPONNX_CUDA_LIBRARY" \
      --output "$out" ${BENCHMARK_OPTIONS:-}
  else
    summary+=("skipped  torch, benchmark: there is no torch for $python")
  fi
  printf '%s\n' "${summary[@]}" | tee "$out/summary.txt"
  exit $failed
}

case ${1:-run} in
  prepare) prepare ;;
  run) run ;;
  *) echo "usage: $0 [prepare]" >&2; exit 2 ;;
esac

#!/bin/sh
# Builds the tests of the kernels and runs them on the simulated CUDA driver. After build.sh, and after native/cudasim was built (mvn does both).
#
#   run.sh [TARGET [SIMULATOR]]    every kernel against float64 references; TARGET is kernels/target, SIMULATOR native/target/cudasim by default
#   run.sh counters [FILE]         what each kernel moves, as Markdown; FILE is benchmarks/gpu-counters.md by default
#
# The tests are skipped where nothing changed since they passed. Where something is missing (no compiler, no kernels, no simulator) it says
# so in one line, with status 0 for the tests.
# On a machine with a GPU the tests run on it without this script: kernels/target/tests/kernel_tests kernels/target/classes/dev/nightjar/kernels
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mode=test
if [ "${1:-}" = counters ]; then
  mode=counters
  report=${2:-$here/../../benchmarks/gpu-counters.md}
  set --
fi
target=${1:-$here/../target}
simulator=${2:-$here/../../native/target/cudasim}
kernels=$target/classes/dev/nightjar/kernels

missing() {
  echo "kernels: not tested, $1"
  [ $mode = test ]
  exit
}
for tool in cmake "${CXX:-c++}"; do
  command -v "$tool" >/dev/null 2>&1 || missing "there is no $tool"
done
[ -f "$kernels/kernels.properties" ] || missing "they were not built"
[ -e "$simulator/libcuda.so.1" ] || missing "there is no simulated CUDA driver in $simulator"

mkdir -p "$target/tests"
{ cmake -S "$here" -B "$target/tests" && cmake --build "$target/tests" --parallel 2; } >"$target/tests/build.log" 2>&1 ||
  { cat "$target/tests/build.log"; exit 1; }
LD_LIBRARY_PATH=$simulator${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
if [ $mode = counters ]; then
  "$target/tests/kernel_counters" "$kernels" "$report"
  exit
fi

# Nothing to prove again where neither kernels, tests nor simulator changed since all passed.
inputs=$(cat "$kernels"/sm_*/*.ptx "$target/tests/kernel_tests" "$simulator/libcuda.so.1" | sha256sum)
if [ "$inputs" = "$(cat "$target/tests/passed" 2>/dev/null)" ]; then
  echo "kernels: unchanged since their tests passed"
  exit
fi
rm -f "$target/tests/passed"
# Two processes, each on a core: titles of float16 and bfloat16 cases contain f16.
"$target/tests/kernel_tests" "$kernels" f32 &
float32=$!
status=0
"$target/tests/kernel_tests" "$kernels" f16 || status=1
wait $float32 || status=1
[ $status -eq 0 ] && echo "$inputs" >"$target/tests/passed"
exit $status

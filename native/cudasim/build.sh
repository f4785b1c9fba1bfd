#!/bin/sh
# usage: build.sh TARGET   (run by Maven)
# Builds the simulated CUDA driver with its tests in TARGET/cudasim and runs them. Only says so where it cannot: without a C++ compiler,
# cmake or the CUDA toolkit, whose headers and compiler the tests need.
set -eu
source=$(cd "$(dirname "$0")" && pwd)
target=$1/cudasim
for tool in cmake "${CXX:-c++}" nvcc; do
  if ! command -v "$tool" >/dev/null 2>&1; then
    echo "cudasim: no $tool found; neither the simulated CUDA driver nor its tests are built"
    exit 0
  fi
done
mkdir -p "$target"
# quietly LOG COMMAND...: shows what a command printed only if it fails.
quietly() {
  log=$target/$1.log
  shift
  "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
}
quietly configure cmake -S "$source" -B "$target" -DCMAKE_BUILD_TYPE=Release
quietly build cmake --build "$target" --parallel 2
quietly test ctest --test-dir "$target" --output-on-failure --timeout 300
tail -n 4 "$target/test.log"

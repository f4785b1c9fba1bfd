#!/bin/sh
# usage: build.sh TARGET   (run by Maven)
# Builds cpu/ in TARGET/cpu and puts the library among the resources in TARGET/classes. Does nothing where nothing changed, and only
# says so where there is no compiler: the cpu backend then runs in pure Java.
set -eu
source=$(cd "$(dirname "$0")" && pwd)/cpu
target=$1
mkdir -p "$target"

compiler=${CXX:-}
if [ -z "$compiler" ]; then
  for candidate in c++ g++ clang++; do
    if command -v "$candidate" >/dev/null 2>&1; then compiler=$candidate && break; fi
  done
fi
for tool in "${compiler:-c++}" cmake; do
  if ! command -v "$tool" >/dev/null 2>&1; then
    echo "native: no C++ compiler or cmake found ($tool is missing); the cpu backend will use pure Java"
    exit 0
  fi
done
if [ "$(uname -s)" != Linux ]; then
  echo "native: no build for $(uname -s) yet; the cpu backend will use pure Java"
  exit 0
fi

arch=$(uname -m)
resources=$target/classes/dev/nightjar/native/linux-$arch
library=$resources/libnightjar_cpu.so

if [ ! -f "$target/cpu/CMakeCache.txt" ]; then
  cmake -S "$source" -B "$target/cpu" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" >"$target/cpu-configure.log" 2>&1 || {
    cat "$target/cpu-configure.log"
    rm -f "$target/cpu/CMakeCache.txt"
    exit 1
  }
fi
cmake --build "$target/cpu" --parallel 2 >"$target/cpu-build.log" 2>&1 || { cat "$target/cpu-build.log"; exit 1; }
if ! cmp -s "$target/cpu/libnightjar_cpu.so" "$library"; then
  mkdir -p "$resources"
  cp "$target/cpu/libnightjar_cpu.so" "$library.tmp"
  mv "$library.tmp" "$library"
  echo "native: built $library"
fi

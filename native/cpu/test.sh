#!/bin/sh
# usage: test.sh TARGET   (run by Maven)
# Builds the tests of cpu/ in TARGET/cpu, which build.sh made, and runs them. Only says so where there are none.
set -eu
build=$1/cpu
if [ ! -f "$build/CTestTestfile.cmake" ]; then
  echo "cpu: no tests, as there is no compiler or they are for x86-64"
  exit 0
fi
log=$1/cpu-test.log
{ cmake --build "$build" --parallel 2 --target tile_test && ctest --test-dir "$build" --verbose; } >"$log" 2>&1 || { cat "$log"; exit 1; }
sed -n 's/^[0-9]*: /cpu: /p' "$log" | tail -n 1

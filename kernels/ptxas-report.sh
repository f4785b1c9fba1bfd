#!/usr/bin/env bash
# Compiles every kernel for every architecture of a release and writes what ptxas says, with the theoretical occupancy, as Markdown.
#
#   ptxas-report.sh [FILE]     FILE is ptxas-report.md beside this script unless given; status 1 if a kernel spills registers
#
# Occupancy is the share of a multiprocessor's warps that registers, shared memory and block slots leave room for: arithmetic, not a measurement.
# Limits per architecture: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
set -euo pipefail

readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly REPORT=${1:-$HERE/ptxas-report.md}
readonly NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
readonly OPERATIONS=$(sed -n 's/^readonly OPERATIONS="\(.*\)"$/\1/p' "$HERE/build.sh")
readonly UNTYPED=$(sed -n 's/^readonly UNTYPED="\(.*\)"$/\1/p' "$HERE/build.sh")
readonly ARCHITECTURES="75 80 86 89 90 100 120"
readonly SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# One line per kernel: architecture, entry point, registers, static shared memory, spilled bytes.
inspect() {
    "$NVCC" -cubin -std=c++17 -arch="sm_$3" ${2:+-D$2} -Xptxas -v -o "$SCRATCH/$1.$2.$3" "$HERE/src/$1.cu" 2>&1 | awk -v arch="$3" '
        /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
        /bytes spill stores/ { spills = $5 + $9 }
        /Used [0-9]+ registers/ {
            shared = 0
            for (i = 2; i <= NF; ++i) {
                if ($i == "registers,") registers = $(i - 1)
                if ($i ~ /^smem/) shared = $(i - 2)
            }
            print arch, name, registers, shared, spills
        }'
}
export -f inspect
export NVCC HERE SCRATCH

for architecture in $ARCHITECTURES; do
    for operation in $OPERATIONS; do
        for type in NJ_F32 NJ_F16 NJ_BF16; do echo "$operation $type $architecture"; done
    done
    for operation in $UNTYPED; do echo "$operation '' $architecture"; done
done | xargs -P "$(nproc)" -L 1 bash -c 'inspect "$@"' inspect >"$SCRATCH/all"

sort -k2,2 -k1,1n "$SCRATCH/all" | awk -v nvcc="$("$NVCC" --version | sed -n 's/.*, V//p')" '
    function min(a, b) { return a < b ? a : b }
    function ceil(a, step) { return int((a + step - 1) / step) * step }
    # Threads of a block, and for attention_short the dynamic shared memory, of a sequence of 64 tokens.
    function threads(name) {
        if (name ~ /multitask_loss/) return 512
        if (name ~ /gemm_.*(tile128|rows16)|heads|cast|bias|activation|layernorm_gradient|head_wgrad|adamw|axpby|squared_norm/) return 256
        return 128
    }
    function dynamicShared(name) {
        if (name ~ /short_d32/) return 6 * 64 * 32
        if (name ~ /short_d64/) return 6 * 64 * 64
        if (name ~ /short_d128/) return 6 * 64 * 128
        return 0
    }
    function occupancy(arch, name, registers, shared,    warps, blocks, reserved) {
        warps = threads(name) / 32
        blocks = min(maxBlocks[arch], int(maxWarps[arch] / warps))
        blocks = min(blocks, int(int(65536 / ceil(registers * 32, 256)) / warps))
        reserved = arch >= 80 ? 1024 : 0
        if (shared + reserved > 0) blocks = min(blocks, int(sharedKiB[arch] * 1024 / ceil(shared + reserved, 128)))
        return 100 * blocks * warps / maxWarps[arch]
    }
    BEGIN {
        split("75 80 86 89 90 100 120", archs)
        split("32 64 48 48 64 64 48", w); split("16 32 16 24 32 32 24", b); split("64 164 100 100 228 228 100", s)
        for (i in archs) { maxWarps[archs[i]] = w[i]; maxBlocks[archs[i]] = b[i]; sharedKiB[archs[i]] = s[i] }
        print "# Registers, shared memory and occupancy\n"
        print "Written by `kernels/ptxas-report.sh` with nvcc " nvcc ". Occupancy is theoretical (arithmetic, not a measurement);"
        print "`attention_short` is for 64 tokens. Each cell: registers / occupancy.\n"
        line = "| Kernel | Block | Shared memory |"; rule = "|---|---:|---:|"
        for (i = 1; i in archs; ++i) { line = line " sm_" archs[i] " |"; rule = rule "---:|" }
        print line "\n" rule
    }
    function flush_row() { if (kernel != "") print "| `" kernel "` | " threads(kernel) " | " least (most > least ? "–" most : "") " |" row() }
    function row(    i, text) {
        for (i = 1; i in archs; ++i) text = text " " (archs[i] in cell ? cell[archs[i]] : "–") " |"
        return text
    }
    {
        if ($2 != kernel) { flush_row(); kernel = $2; delete cell; least = 1e9; most = 0 }
        shared = $4 + dynamicShared($2)
        if (shared < least) least = shared
        if (shared > most) most = shared
        cell[$1] = sprintf("%d / %d%%%s", $3, occupancy($1, $2, $3, shared), $5 > 0 ? " **spills " $5 " bytes**" : "")
        if ($5 > 0) { spilled++ }
        compiled++
    }
    END {
        flush_row()
        print "\n" compiled " kernels compiled, " spilled + 0 " with spilled registers."
        exit spilled > 0
    }' >"$SCRATCH/report" && status=0 || status=1
mv "$SCRATCH/report" "$REPORT"
tail -1 "$REPORT"
exit $status

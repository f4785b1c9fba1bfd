#!/usr/bin/env bash
# Compiles src/*.cu into OUTPUT/dev/nightjar/kernels, each file only when it, a header it includes, this script or nvcc changed.
#
#   build.sh OUTPUT            sm_XX/NAME_TYPE.ptx for XX in 75, 80, 90: what tests and a just-in-time load need
#   build.sh OUTPUT release    the same, and fatbin/NAME_TYPE.fatbin with machine code, so that the first load compiles nothing
#
# Why these architectures: 75 is the oldest that this nvcc knows (T4, RTX 20); 80 brings cp.async and bfloat16 (A100); 86 (A10, RTX 30), 89
# (L4, L40, RTX 40), 90 (H100, H200), 100 (B200) and 120 (RTX 50, RTX PRO) are what people have: machine code runs only on its own major
# version, from its own minor version on. PTX serves what lies between: that of 80 where it can, as 75's lacks the kernels in bfloat16; and
# PTX of the highest serves whatever comes after.
# Fat binaries are not compressed: the jar is.
# PTX 80 and 90 stand beside 75 in the default build because the sources differ from 80 on and compilers do for 90.
#
# nvcc is taken from $NVCC, $CUDA_HOME/bin, the PATH or /usr/local/cuda/bin. Without it: one line, no files, status 0.
set -euo pipefail

readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SOURCES=$HERE/src
readonly PTX_ARCHITECTURES="75 80 90"
readonly RELEASE_ARCHITECTURES="75 80 86 89 90 100 120"
readonly RELEASE_PTX="75 80 120"
readonly OPERATIONS="embedding layernorm bias gemm attention heads activation dropout first_token head layernorm_backward embedding_gradient attention_train gemm_backward attention_backward multitask_loss adamw"
# Whose types are not the model's.
readonly UNTYPED="cast vectors"
readonly FLAGS="-std=c++17 -O3 -Werror all-warnings"

find_nvcc() {
    local candidate
    for candidate in "${NVCC:-}" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then echo "$candidate"; return; fi
    done
}

# The file and all local headers it includes, directly or not.
closure() {
    local pending=("$1") seen=" " file
    while [ ${#pending[@]} -gt 0 ]; do
        file=${pending[0]}; pending=("${pending[@]:1}")
        [[ $seen == *" $file "* ]] && continue
        seen+="$file "; echo "$SOURCES/$file"
        mapfile -t -O ${#pending[@]} pending < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$SOURCES/$file")
    done
}

# compile SOURCE DEFINE TARGET NVCC-ARGUMENTS...: one output, if its stamp says that something changed.
compile() {
    local source=$1 define=$2 target=$3; shift 3
    local stamp=$STAMPS/${target//\//_} key
    key=$({ echo "$NVCC_VERSION $FLAGS $define $*"; closure "$source" | xargs cat "${BASH_SOURCE[0]}"; } | sha256sum)
    if [ -f "$target" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then return; fi
    mkdir -p "$(dirname "$target")"
    "$NVCC" $FLAGS ${define:+-D$define} "$@" -o "$target.partial" "$SOURCES/$source"
    mv "$target.partial" "$target"
    echo "$key" >"$stamp"
    echo "kernels: ${target##*/dev/nightjar/kernels/}"
}

# Every compilation as a line of `compile` arguments.
plan() {
    local release=$1 operation type architecture gencode=""
    for architecture in $RELEASE_ARCHITECTURES; do gencode+=" -gencode arch=compute_$architecture,code=sm_$architecture"; done
    for architecture in $RELEASE_PTX; do gencode+=" -gencode arch=compute_$architecture,code=compute_$architecture"; done
    for operation in $OPERATIONS $UNTYPED; do
        for type in f32 f16 bf16; do
            local name=${operation}_$type define=NJ_${type^^}
            if [[ " $UNTYPED " == *" $operation "* ]]; then
                [ $type = f32 ] || continue
                name=$operation define=""
            fi
            for architecture in $PTX_ARCHITECTURES; do
                echo "$operation.cu '$define' $ROOT/sm_$architecture/$name.ptx -ptx -arch=compute_$architecture"
            done
            [ -z "$release" ] || echo "$operation.cu '$define' $ROOT/fatbin/$name.fatbin -fatbin -no-compress$gencode"
        done
    done
}

if [ "${1:-}" = --compile ]; then
    shift; eval "compile $1"; exit
fi

NVCC=$(find_nvcc)
if [ -z "$NVCC" ]; then
    echo "kernels: nvcc not found, so the CUDA backend will report that its kernels were not built (set NVCC or CUDA_HOME to build them)"
    exit 0
fi
readonly OUTPUT=$(mkdir -p "$1" && cd "$1" && pwd)
export NVCC
export NVCC_VERSION=$("$NVCC" --version | sed -n 's/.*, V\([0-9.]*\)$/\1/p')
export ROOT=$OUTPUT/dev/nightjar/kernels STAMPS=$OUTPUT/../kernel-stamps
mkdir -p "$ROOT" "$STAMPS"
plan "${2:-}" | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I LINE "${BASH_SOURCE[0]}" --compile LINE
{
    echo "# What this jar holds. Written by kernels/build.sh."
    echo "nvcc=$NVCC_VERSION"
    echo "ptx=${PTX_ARCHITECTURES// /,}"
    [ -z "${2:-}" ] || echo "fatbin=${RELEASE_ARCHITECTURES// /,}"
} >"$ROOT/kernels.properties"

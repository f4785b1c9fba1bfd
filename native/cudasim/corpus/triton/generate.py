"""Compiles the Triton kernels below to the PTX files beside this script. Needs `pip install triton` (3.8.0 made the files), no GPU.

    python generate.py

The block sizes and the number of warps are those that triton_test.cpp launches with.
"""

import pathlib

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def matmul(a, b, c, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """c[M, N] = a[M, K] @ b[K, N], float16 in and out, float32 accumulation."""
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    inner = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k in range(0, K, BLOCK_K):
        x = tl.load(a + rows[:, None] * K + (k + inner)[None, :],
                    mask=(rows[:, None] < M) & ((k + inner)[None, :] < K), other=0.0)
        y = tl.load(b + (k + inner)[:, None] * N + columns[None, :],
                    mask=((k + inner)[:, None] < K) & (columns[None, :] < N), other=0.0)
        total = tl.dot(x, y, total)
    tl.store(c + rows[:, None] * N + columns[None, :], total.to(tl.float16),
             mask=(rows[:, None] < M) & (columns[None, :] < N))


@triton.jit
def softmax(x, y, columns, BLOCK: tl.constexpr):
    """One row a program."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    v = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + row * columns + i, e / tl.sum(e, axis=0), mask=i < columns)


@triton.jit
def layernorm(x, weight, bias, y, columns, eps, BLOCK: tl.constexpr):
    """One row a program; bfloat16 x and y, float32 weight and bias."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    v = tl.load(x + row * columns + i, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(v, axis=0) / columns
    centred = tl.where(inside, v - mean, 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
    w = tl.load(weight + i, mask=inside, other=0.0)
    b = tl.load(bias + i, mask=inside, other=0.0)
    tl.store(y + row * columns + i, (centred * rstd * w + b).to(tl.bfloat16), mask=inside)


@triton.jit
def attention(q, k, v, out, length, scale, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, DIM: tl.constexpr):
    """Fused attention of one head, [length, DIM] float16, by the online softmax of FlashAttention."""
    rows = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    d = tl.arange(0, DIM)
    queries = tl.load(q + rows[:, None] * DIM + d[None, :], mask=rows[:, None] < length, other=0.0)
    top = tl.full((BLOCK_Q,), -float("inf"), tl.float32)
    norm = tl.zeros((BLOCK_Q,), tl.float32)
    total = tl.zeros((BLOCK_Q, DIM), tl.float32)
    for first in range(0, length, BLOCK_K):
        j = first + tl.arange(0, BLOCK_K)
        keys = tl.load(k + j[None, :] * DIM + d[:, None], mask=j[None, :] < length, other=0.0)
        scores = tl.where(j[None, :] < length, tl.dot(queries, keys) * scale, -float("inf"))
        higher = tl.maximum(top, tl.max(scores, axis=1))
        p = tl.exp(scores - higher[:, None])
        shrink = tl.exp(top - higher)
        norm = norm * shrink + tl.sum(p, axis=1)
        values = tl.load(v + j[:, None] * DIM + d[None, :], mask=j[:, None] < length, other=0.0)
        total = tl.dot(p.to(tl.float16), values, total * shrink[:, None])
        top = higher
    tl.store(out + rows[:, None] * DIM + d[None, :], (total / norm[:, None]).to(tl.float16), mask=rows[:, None] < length)


KERNELS = [
    (matmul, {"a": "*fp16", "b": "*fp16", "c": "*fp16", "M": "i32", "N": "i32", "K": "i32"},
     {"BLOCK_M": 32, "BLOCK_N": 64, "BLOCK_K": 32}, 4),
    (softmax, {"x": "*fp32", "y": "*fp32", "columns": "i32"}, {"BLOCK": 512}, 4),
    (layernorm, {"x": "*bf16", "weight": "*fp32", "bias": "*fp32", "y": "*bf16", "columns": "i32", "eps": "fp32"},
     {"BLOCK": 1024}, 4),
    (attention, {"q": "*fp16", "k": "*fp16", "v": "*fp16", "out": "*fp16", "length": "i32", "scale": "fp32"},
     {"BLOCK_Q": 32, "BLOCK_K": 32, "DIM": 64}, 4),
]


def main():
    triton.knobs.compilation.disable_line_info = True
    here = pathlib.Path(__file__).parent
    for function, types, constants, warps in KERNELS:
        signature = types | {name: "constexpr" for name in constants}
        # Pointers come from cuMemAlloc: aligned to 16 bytes and more.
        names = list(signature)
        aligned = {(names.index(n),): [["tt.divisibility", 16]] for n, t in types.items() if t.startswith("*")}
        source = ASTSource(function, signature, constexprs=constants, attrs=aligned)
        compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"num_warps": warps})
        name = function.__name__
        text = f"// Triton {triton.__version__}: {name}, made by generate.py. Dynamic shared memory: {compiled.metadata.shared} bytes.\n"
        (here / f"{name}.ptx").write_text(text + compiled.asm["ptx"])


if __name__ == "__main__":
    main()

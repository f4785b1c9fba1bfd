#!/usr/bin/env python3
"""One engine of benchmarks/compare in a process of its own: reads commands line by line and answers each with a line of JSON.

`logits CASE` answers with the logits of every sequence; `time CASE SECONDS` with minimum, median and maximum of the
milliseconds of a pass; `gemm M N K SECONDS` with the best rate of this type's matrix product in PyTorch, and
`bandwidth SECONDS` with that of reading memory. A case name that ends in `/8` runs the sequences in batches of like
length, rounded up to multiples of 8.

Needs numpy, torch, transformers and onnxruntime.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time
import warnings

import torch
from transformers import DistilBertForSequenceClassification

from distilbert_base import pad


def onnx_runtime(file, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]


def pytorch(folder, kind):
    model = DistilBertForSequenceClassification.from_pretrained(folder).eval()
    if kind == "bf16":
        model.bfloat16()
    elif kind == "int8":
        torch.backends.quantized.engine = "x86"
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def forward(ids, mask):
        with torch.inference_mode():
            return model(input_ids=ids, attention_mask=mask).logits.float().numpy()

    return forward


def batches(sequences, bucketed):
    """Padded batches of the sequences, and which sequences each holds."""
    groups = {}
    for row, sequence in enumerate(sequences):
        groups.setdefault(-(-len(sequence) // 8) if bucketed else 0, []).append(row)
    return [(pad([sequences[row] for row in rows]), rows) for _, rows in sorted(groups.items())]


def timed(run, seconds):
    """Milliseconds of each run, at least three, after one that does not count."""
    run()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


def summary(times):
    return {"min": min(times), "median": statistics.median(times), "max": max(times), "runs": len(times)}


def product(kind, m, n, k):
    """A function that multiplies [M, K] by a weight [N, K] in this type as a linear layer does."""
    if kind == "int8":
        packed = torch.ops.onednn.qlinear_prepack(torch.randint(-127, 127, (n, k), dtype=torch.int8), [m, k])
        x = torch.randint(0, 255, (m, k), dtype=torch.uint8)
        scale, zero = torch.full((n,), 0.01), torch.zeros(n, dtype=torch.long)
        return lambda: torch.ops.onednn.qlinear_pointwise(x, 0.01, 128, packed, scale, zero, None, 1.0, 0, torch.float32,
                                                          "none", [], "")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[kind]
    x, weight = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)
    return lambda: torch.nn.functional.linear(x, weight)


def read_memory():
    """A function that reads 256 MB, more than any cache holds; and how many bytes that is."""
    memory = torch.ones(1 << 26)
    return (lambda: memory.sum()), memory.numel() * memory.element_size()


def answer(command, cases, forward, kind):
    name, *arguments = command.split()
    if name == "gemm":
        m, n, k = map(int, arguments[:3])
        with torch.inference_mode():
            best = min(timed(product(kind, m, n, k), float(arguments[3])))
        return {"gops": 2 * m * n * k / best / 1e6}
    if name == "bandwidth":
        run, count = read_memory()
        return {"gbytes": count / min(timed(run, float(arguments[0]))) / 1e6}
    case, _, bucketed = arguments[0].partition("/")
    prepared = batches(cases[case], bucketed)
    if name == "logits":
        logits = [None] * len(cases[case])
        for batch, rows in prepared:
            for row, values in zip(rows, forward(*batch).tolist()):
                logits[row] = values
        return {"logits": logits}
    return summary(timed(lambda: [forward(*batch) for batch, _ in prepared], float(arguments[1])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="what distilbert_base.py wrote")
    parser.add_argument("engine", choices=["torch-fp32", "torch-bf16", "torch-int8", "ort-fp32", "ort-int8"])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    library, kind = args.engine.split("-")
    forward = (onnx_runtime(str(args.folder / f"{kind}.onnx"), args.threads) if library == "ort"
               else pytorch(args.folder / "model", kind))
    cases = {}
    for line in (args.folder / "inputs.txt").read_text().splitlines():
        case, *ids = line.split()
        cases.setdefault(case, []).append(list(map(int, ids)))
    print(json.dumps({"ready": args.engine, "isa": torch.backends.cpu.get_cpu_capability()}), flush=True)
    for command in sys.stdin:
        print(json.dumps(answer(command, cases, forward, kind)), flush=True)


if __name__ == "__main__":
    main()

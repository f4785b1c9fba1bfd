#!/usr/bin/env python3
"""Latency of PyTorch on the batches of benchmarks/gpu: a DistilBERT of MiniLM-L6's shape, three classes.

From token ids on the host to probabilities on the host, eager and compiled with CUDA graphs (mode reduce-overhead).
Needs torch, transformers and a GPU; --device cpu tries the script.
"""

import argparse
import statistics
import time

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

SHAPES = [(1, 16), (1, 32), (1, 128), (32, 128)]
PRECISIONS = [torch.float32, torch.bfloat16, torch.float16]


def percentiles(predict, seconds):
    """p50 and p99 in microseconds, after a warm-up of the same length."""
    times = []
    for measured in (False, True):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 10 * measured:
            start = time.perf_counter_ns()
            predict()
            if measured:
                times.append((time.perf_counter_ns() - start) / 1e3)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    name = torch.cuda.get_device_name() if args.device == "cuda" else "the CPU"
    print(f"\n# PyTorch {torch.__version__} on {name}\n")
    print("| Batch | Precision | How | p50, µs | p99, µs | Texts/s at p50 |\n|---|---|---|---:|---:|---:|")
    config = DistilBertConfig(vocab_size=30522, dim=384, n_layers=6, n_heads=12, hidden_dim=1536, num_labels=3)
    torch.backends.cuda.matmul.allow_tf32 = False
    for precision in PRECISIONS:
        torch.manual_seed(1)
        model = DistilBertForSequenceClassification(config).eval().to(args.device, precision)
        ways = {"eager": model}
        if args.device == "cuda":
            ways["compiled, graphs"] = torch.compile(model, mode="reduce-overhead")
        for how, forward in ways.items():
            for rows, length in SHAPES:
                ids = torch.randint(0, 30000, (rows, length))
                ids = ids.pin_memory() if args.device == "cuda" else ids

                def predict():
                    logits = forward(ids.to(args.device, non_blocking=True)).logits
                    return torch.softmax(logits.float(), -1).cpu()

                with torch.inference_mode():
                    p50, p99 = percentiles(predict, args.seconds)
                print(f"| {rows} x {length} | {str(precision).removeprefix('torch.')} | {how} | {p50:.1f} | {p99:.1f} "
                      f"| {rows * 1e6 / p50:.0f} |", flush=True)


if __name__ == "__main__":
    main()

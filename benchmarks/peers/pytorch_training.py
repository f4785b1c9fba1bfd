#!/usr/bin/env python3
"""Training rate of PyTorch on MiniLM-L6's shape (6 layers, dim 384, 12 heads, hidden 1536) or DistilBERT base's, on the CPU or a GPU.

float32, or bfloat16 by autocast, which keeps float32 master weights as Nightjar does.

A step is forward, backward, clipping to a global norm of 1 and AdamW (weight decay 0.01), with the dropouts of the
config (0.1, 0.1, 0.2), three classes, every row of the same length: no padding on either side. Weights are random,
which does not change the work. AdamW is PyTorch's fused one, the faster of its two.

Token ids, the same on every side: a SplitMix64 stream whose state starts at the seed gives, row by row, 1000 +
next() mod 29000 for each position; then the first of each row becomes 101 and the last 102; then the stream gives
each row's label, next() mod 3. The next step's batch goes on from there. Prints one JSON object. `other_cores` is
how many cores other processes kept busy meanwhile: PyTorch's threads wait for each other by spinning, so that with
as many threads as cores a busy neighbour costs it several times its share; compare quiet runs only.

Needs numpy, torch and transformers.
"""

import argparse
import json
import os
import resource
import statistics
import time

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

CLASSES = 3
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def splitmix64(seed, start, count):
    """Outputs start .. start + count - 1 of the stream; its state is a counter, so any part can be had at once."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.uint64(GOLDEN_GAMMA) * np.arange(start + 1, start + count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def synthetic_batch(seed, step, rows, length):
    """input_ids [rows, length] and labels [rows] of a step."""
    per_step = rows * length + rows
    stream = splitmix64(seed, step * per_step, per_step)
    ids = (1000 + stream[: rows * length] % np.uint64(29000)).astype(np.int64).reshape(rows, length)
    ids[:, 0], ids[:, -1] = 101, 102
    labels = (stream[rows * length :] % np.uint64(CLASSES)).astype(np.int64)
    return torch.from_numpy(ids), torch.from_numpy(labels)


def model_of(shape):
    dim, hidden_dim = {"minilm": (384, 1536), "base": (768, 3072)}[shape]
    config = DistilBertConfig(dim=dim, n_layers=6, n_heads=12, hidden_dim=hidden_dim, num_labels=CLASSES)
    return DistilBertForSequenceClassification(config).train()


def adamw(model, learning_rate):
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def training_step(model, optimizer, ids, labels, precision):
    optimizer.zero_grad()
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def busy_seconds():
    """CPU seconds of all processes since boot (Linux), and of this one."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    own = os.times()
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"), own.user + own.system


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shape", default="minilm", choices=("minilm", "base"))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=32, help="tokens of every row")
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warmup", type=int, default=3, help="steps before those")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = model_of(args.shape).to(args.device)
    optimizer = adamw(model, 5e-5)
    seconds, losses = [], []
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            timed_from, (all_before, own_before) = time.perf_counter(), busy_seconds()
        batch = [part.to(args.device) for part in synthetic_batch(args.seed, step, args.batch_size, args.length)]
        started = time.perf_counter()
        losses.append(training_step(model, optimizer, *batch, args.precision))
        seconds.append(time.perf_counter() - started)
    all_after, own_after = busy_seconds()
    others = (all_after - all_before) - (own_after - own_before)
    median = statistics.median(seconds[args.warmup :])
    print(
        json.dumps(
            {
                "engine": "pytorch",
                "version": torch.__version__,
                "isa": torch.backends.cpu.get_cpu_capability(),
                **vars(args),
                "median_step_seconds": median,
                "fastest_step_seconds": min(seconds[args.warmup :]),
                "slowest_step_seconds": max(seconds[args.warmup :]),
                "other_cores": round(max(0.0, others) / (time.perf_counter() - timed_from), 2),
                "rows_per_second": args.batch_size / median,
                "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "first_loss": losses[0],
                "last_loss": losses[-1],
            }
        )
    )


if __name__ == "__main__":
    main()

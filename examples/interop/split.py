#!/usr/bin/env python3
"""Splits a TSV with one header row into train.tsv and validation.tsv, 80/20, by seed.

The rule, which Nightjar implements too, so that both train on the same rows: row i (0-based, header not counted)
gets the key splitmix64(seed * 0x9E3779B97F4A7C15 + i); the round(0.2 n) rows with the smallest unsigned keys are
the validation rows. Both files keep the header and the order of the rows, byte for byte. Standard library only.
"""

import argparse
from pathlib import Path

MASK = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def splitmix64(state):
    """The output of SplitMix64 (Steele, Lea, Flood 2014) for the given state, all arithmetic modulo 2^64."""
    z = (state + GOLDEN_GAMMA) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def validation_rows(rows, seed):
    """The indices of the validation rows, as a set."""
    by_key = sorted(range(rows), key=lambda i: splitmix64((seed * GOLDEN_GAMMA + i) & MASK))
    return set(by_key[: round(0.2 * rows)])  # 0.2 n never ends in .5, so every rounding mode agrees


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tsv", type=Path)
    parser.add_argument("folder", type=Path, help="where train.tsv and validation.tsv go; created if missing")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    header, *rows = args.tsv.read_bytes().removesuffix(b"\n").split(b"\n")
    if not rows:
        parser.error(f"{args.tsv}: no rows below the header")
    held_out = validation_rows(len(rows), args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in (("train.tsv", False), ("validation.tsv", True)):
        part = [row for i, row in enumerate(rows) if (i in held_out) == wanted]
        (args.folder / name).write_bytes(b"\n".join([header, *part, b""]))
        print(f"{args.folder / name}: {len(part)} rows")


if __name__ == "__main__":
    main()

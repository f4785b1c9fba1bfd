#!/usr/bin/env python3
"""Proves that transformers opens a folder that Nightjar saved, and computes what Nightjar computes.

Reads the JSON lines of `nightjar classify --json`: `text`; `probabilities`, keyed by the labels; `scores`, keyed by
the targets, where the model has a regressor. AutoTokenizer and
AutoModelForSequenceClassification do the rest on this side, one text at a time. Exits with 1 if a probability or
score differs by more than the tolerance, or a line lacks one.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from sentiment_model import load
from transformers import AutoTokenizer


def expected_values(line, labels, targets):
    """Nightjar's probabilities and scores of one line, as two lists."""
    probabilities = [line["probabilities"][label] for label in labels]
    scores = list(line.get("scores", {}).values())
    if len(probabilities) != len(labels) or len(scores) != targets:
        raise ValueError(
            f"{len(probabilities)} probabilities and {len(scores)} scores, "
            f"the folder has {len(labels)} labels and {targets} targets"
        )
    return probabilities, scores


@torch.no_grad()
def computed_values(model, tokenizer, text, max_tokens):
    """The same of transformers; the logits come from its own forward, not from SentimentModel's."""
    inputs = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
    logits = model.classifier(**inputs).logits[0]
    scores = model(inputs.input_ids, inputs.attention_mask)[2]
    return torch.softmax(logits.double(), 0).tolist(), [] if scores is None else scores[0].tolist()


def largest_difference(expected, actual):
    differences = [abs(a - b) for a, b in zip(expected, actual)]
    return math.inf if any(map(math.isnan, differences)) else max(differences, default=0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jsonl", type=argparse.FileType(encoding="utf-8"), nargs="?", default="-", help="or stdin")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--max-tokens", type=int, help="default: max_position_embeddings")
    args = parser.parse_args()

    model = load(args.folder)
    tokenizer = AutoTokenizer.from_pretrained(args.folder, local_files_only=True)
    config = model.classifier.config
    labels = [config.id2label[i] for i in range(config.num_labels)]
    targets = 0 if model.regressor is None else model.regressor.out_features
    texts, worst, failures = 0, [0.0, 0.0], 0
    for number, text in enumerate(args.jsonl, 1):
        if not text.strip():
            continue
        texts += 1
        try:
            line = json.loads(text)
            expected = expected_values(line, labels, targets)
            actual = computed_values(model, tokenizer, line["text"], args.max_tokens or config.max_position_embeddings)
        except (KeyError, TypeError, ValueError) as problem:
            sys.exit(f"{args.jsonl.name}:{number}: {problem!r}")
        differences = [largest_difference(*pair) for pair in zip(expected, actual)]
        worst = [max(pair) for pair in zip(worst, differences)]
        if max(differences) > args.tolerance:
            failures += 1
            print(f"{args.jsonl.name}:{number}: Nightjar {expected}, transformers {actual}", file=sys.stderr)
    print(
        f"{texts} texts, {failures} beyond the tolerance; "
        f"largest difference: probabilities {worst[0]:.2e}, scores {worst[1]:.2e}"
    )
    if failures or not texts:
        sys.exit(1)


if __name__ == "__main__":
    main()

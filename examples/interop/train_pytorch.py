#!/usr/bin/env python3
"""Fine-tunes a Hugging Face DistilBERT folder in plain PyTorch, float32: what Nightjar's Trainer is compared with.

AdamW (0.9, 0.999, 1e-8, decoupled decay 0.01, none on biases and LayerNorm), linear decay after a warm-up over the
first tenth of the steps, gradients clipped to a global norm of 1, dropout of the folder's config.json, batches
padded to their longest text, rows shuffled anew each epoch without bucketing by length. The seed drives new heads,
dropout and order. Prints one JSON object per epoch and, last, one for the run.

--task joint adds a regression head on the same pooled representation and trains both with --weighting
  equal  0.5 CE + 0.5 MSE
  dao    Dynamic Adaptive Optimization (arXiv 2408.11856): inverse class frequency within the batch on
         every row of both losses, and task weights by the cross ratio of the norms of the losses' gradients with
         respect to the pooled representation
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentiment_model import SentimentModel, load, pad
from torch.nn import functional
from transformers import AutoTokenizer


def read_tsv(path, joint):
    """texts, labels int64 [N], scores float32 [N] (zeros unless joint)"""
    header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    rows = [dict(zip(header.split("\t"), line.split("\t"))) for line in lines]
    unscored = next((i for i, row in enumerate(rows) if joint and not row["score"]), None)
    if unscored is not None:
        raise SystemExit(f"{path}:{unscored + 2}: no score; a joint run needs one on every row")
    scores = [float(row["score"]) if joint else 0.0 for row in rows]
    return [row["text"] for row in rows], torch.tensor([int(row["label"]) for row in rows]), torch.tensor(scores)


def parameter_groups(model, weight_decay):
    """Decay on matrices and embeddings only: biases and LayerNorm gains are the one-dimensional parameters."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]


def linear_schedule(optimizer, steps):
    warmup = steps // 10
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warmup if step < warmup else (steps - step) / (steps - warmup)
    )


def class_balance(labels):
    """Weight of each row, B / (K n[class]) with the K classes present in the batch; the mean is 1."""
    _, row_class, count = labels.unique(return_inverse=True, return_counts=True)
    return len(labels) / (len(count) * count[row_class].float())


def dao_loss(pooled, class_losses, score_losses, labels):
    """The combined loss [] and lambda_c, from the losses of the rows [B]."""
    omega = class_balance(labels)
    class_loss, score_loss = (omega * class_losses).mean(), (omega * score_losses).mean()
    norm_c, norm_r = (
        torch.autograd.grad(loss, pooled, retain_graph=True)[0].norm() for loss in (class_loss, score_loss)
    )
    total = norm_c + norm_r
    lambda_c = norm_r / (total + 1e-12) if total > 0 else torch.tensor(0.5)
    return lambda_c * class_loss + (1 - lambda_c) * score_loss, float(lambda_c)


def batch_loss(model, ids, mask, labels, scores, weighting):
    """The loss [] and the weight of its classification part."""
    pooled, logits, predicted = model(ids, mask)
    class_losses = functional.cross_entropy(logits, labels, reduction="none")
    if weighting == "classification":
        return class_losses.mean(), 1.0
    score_losses = (predicted[:, 0] - scores) ** 2
    if weighting == "equal":
        return 0.5 * class_losses.mean() + 0.5 * score_losses.mean(), 0.5
    return dao_loss(pooled, class_losses, score_losses, labels)


def macro_f1(labels, predicted, classes):
    """Mean F1 over the classes; one that neither occurs nor is predicted counts 0."""
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (labels, predicted), 1)
    occurrences = confusion.sum(0) + confusion.sum(1)
    return float((2 * np.diag(confusion) / np.maximum(occurrences, 1)).mean())


@torch.no_grad()
def evaluate(model, sequences, labels, scores, batch_size):
    model.eval()
    outputs = [model(*pad(sequences[i : i + batch_size])) for i in range(0, len(sequences), batch_size)]
    logits = torch.cat([logits for _, logits, _ in outputs])
    predicted = logits.argmax(1)
    metrics = {
        "validation_loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": float((predicted == labels).float().mean()),
        "macro_f1": macro_f1(labels.numpy(), predicted.numpy(), logits.shape[1]),
    }
    if model.regressor is not None:
        regression = torch.cat([score[:, 0] for _, _, score in outputs])
        metrics["mse"] = float(((regression - scores) ** 2).mean())
        metrics["pearson"] = float(torch.corrcoef(torch.stack([regression, scores]))[0, 1])
    return metrics


def train_epoch(model, optimizer, schedule, sequences, labels, scores, args):
    """One pass over the shuffled rows; means over its steps."""
    model.train()
    batches = torch.randperm(len(sequences)).split(args.batch_size)
    losses, lambdas, started = [], [], time.perf_counter()
    for step, rows in enumerate(batches):
        ids, mask = pad([sequences[i] for i in rows])
        loss, lambda_c = batch_loss(model, ids, mask, labels[rows], scores[rows], args.weighting)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        lambdas.append(lambda_c)
        if step % 10 == 9:
            print(f"step {step + 1}/{len(batches)} loss {np.mean(losses[-10:]):.4f}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    return {
        "train_loss": float(np.mean(losses)),
        "lambda_classification": float(np.mean(lambdas)),
        "rows_per_second": len(sequences) / seconds,
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="Hugging Face folder; its heads are drawn anew")
    parser.add_argument("data", type=Path, help="folder with train.tsv and validation.tsv (split.py)")
    parser.add_argument("--task", choices=["classification", "joint"], default="classification")
    parser.add_argument("--weighting", choices=["equal", "dao"], default="dao", help="of the losses of a joint run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=64, help="longer texts are cut; [CLS] and [SEP] included")
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="writes the trained model as a Hugging Face folder")
    args = parser.parse_args()
    if args.task == "classification":
        args.weighting = "classification"
    return args


def save(model, tokenizer, folder):
    """A folder that transformers and Nightjar open; the regressor stands beside the other parameters."""
    parameters = model.classifier.state_dict()
    if model.regressor is not None:
        parameters |= {f"regressor.{name}": value for name, value in model.regressor.state_dict().items()}
    model.classifier.save_pretrained(folder, state_dict=parameters)
    tokenizer.save_pretrained(folder)


def main():
    args = parse_arguments()
    joint = args.task == "joint"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    tokenizer = AutoTokenizer.from_pretrained(args.model, local_files_only=True)
    sequences, labels, scores = {}, {}, {}
    for part in ("train", "validation"):
        texts, labels[part], scores[part] = read_tsv(args.data / f"{part}.tsv", joint)
        sequences[part] = tokenizer(texts, truncation=True, max_length=args.max_tokens).input_ids
    classes = 1 + int(max(labels["train"].max(), labels["validation"].max()))
    encoder = load(args.model, num_labels=classes, ignore_mismatched_sizes=True)
    model = SentimentModel(encoder.classifier, targets=int(joint))
    model.initialize_heads()

    optimizer = torch.optim.AdamW(
        parameter_groups(model, 0.01), lr=args.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True
    )
    steps = args.epochs * -(-len(sequences["train"]) // args.batch_size)
    schedule = linear_schedule(optimizer, steps)
    epochs = []
    for epoch in range(1, args.epochs + 1):
        trained = train_epoch(model, optimizer, schedule, *(d["train"] for d in (sequences, labels, scores)), args)
        validation = evaluate(model, *(d["validation"] for d in (sequences, labels, scores)), args.batch_size)
        epochs.append({"epoch": epoch} | trained | validation)
        print(json.dumps(epochs[-1]), flush=True)
    if args.save:
        save(model, tokenizer, args.save)
    run = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    print(json.dumps({"run": run, "torch": torch.__version__, "steps": steps, "epochs": epochs}))


if __name__ == "__main__":
    main()

"""Writes weightings.json: 20 training steps of the tiny model under GradNorm, DB-MTL and FAMO, in float64 with PyTorch's autograd.

    python weightings.py        (PyTorch 2.13, transformers 5.18, safetensors)

Batches, schedule and optimizer are those of train20.safetensors; see the README. Of step t, t % 7 == 3 has no labels and t % 7 == 5 no scores;
t % 4 == 1 lacks the label of its first row and the score of its second. The weights are computed as the authors' code does it, on vectors
of logits and with torch.optim.Adam, but for what the Javadoc of dev.nightjar.loss names as different. A row of each curve: cross-entropy,
squared error, weight and norm of each task (classification first), gradient norm before clipping.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import DistilBertConfig, DistilBertModel

HERE = pathlib.Path(__file__).parent
STEPS = 20
torch.set_default_dtype(torch.float64)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = DistilBertConfig.from_json_file(HERE / "config.json")
        config._attn_implementation = "eager"
        self.distilbert = DistilBertModel(config)
        self.pre_classifier = torch.nn.Linear(config.dim, config.dim)
        self.classifier = torch.nn.Linear(config.dim, 3)
        self.regressor = torch.nn.Linear(config.dim, 1)
        self.load_state_dict({k: v.double() for k, v in load_file(HERE / "model.safetensors").items()})

    def shared(self):
        return [p for n, p in self.named_parameters() if not n.startswith(("classifier", "regressor"))]

    def heads(self):
        return [p for n, p in self.named_parameters() if n.startswith(("classifier", "regressor"))]

    def losses(self, batch):
        """Of each task, 0 where the batch has none of its targets; and the pooled representation."""
        hidden = self.distilbert(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])[0]
        pooled = F.relu(self.pre_classifier(hidden[:, 0]))
        labelled, scored = batch["labels"] >= 0, ~batch["targets"].isnan()
        logits, scores = self.classifier(pooled), self.regressor(pooled)[:, 0]
        ce = F.cross_entropy(logits[labelled], batch["labels"][labelled]) if labelled.any() else 0 * logits.sum()
        mse = F.mse_loss(scores[scored], batch["targets"][scored]) if scored.any() else 0 * scores.sum()
        return torch.stack([ce, mse]), pooled


def batches():
    file = load_file(HERE / "train20.safetensors")
    for t in range(STEPS):
        batch = {k: file[f"batch{t % 5}.{k}"].clone() for k in ("input_ids", "attention_mask", "labels", "targets")}
        batch = {k: v.double() if k == "targets" else v.long() for k, v in batch.items()}
        if t % 4 == 1:
            batch["labels"][0], batch["targets"][1] = -1, torch.nan
        if t % 7 == 3:
            batch["labels"][:] = -1
        if t % 7 == 5:
            batch["targets"][:] = torch.nan
        present = torch.stack([(batch["labels"] >= 0).any(), (~batch["targets"].isnan()).any()])
        yield batch, present


def flat_gradient(loss, parameters):
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(parameters, gradients)])


class GradNorm:
    def __init__(self, model, shared):
        self.model, self.shared, self.initial = model, shared, torch.zeros(2)
        self.v = torch.zeros(2, requires_grad=True)
        self.adam = torch.optim.Adam([self.v], lr=0.025)

    def step(self, losses, pooled, present):
        w = F.softmax(self.v, -1)
        over = self.model.shared() if self.shared else [pooled]
        norms = torch.stack([flat_gradient(loss, over).norm() for loss in losses])
        (losses * w.detach()).sum().backward(retain_graph=True)
        self.initial = torch.where(self.initial > 0, self.initial, losses.detach())
        if present.all() and (self.initial > 0).all():
            weighted = w * norms
            ratio = losses.detach() / self.initial
            target = (weighted.mean() * (ratio / ratio.mean()) ** 1.5).detach()
            self.v.grad = torch.autograd.grad((weighted - target).abs().sum(), self.v)[0]
            self.adam.step()
        return w.detach(), norms

    def updated(self, losses):
        pass


class DualBalancing:
    def __init__(self, model):
        self.model = model
        self.average = torch.zeros(2, sum(p.numel() for p in model.shared()))

    def step(self, losses, pooled, present):
        logs = torch.where(present, torch.log(losses + 1e-8), 0 * losses)
        for k in range(2):
            if present[k]:
                self.average[k] = 0.9 * self.average[k] + 0.1 * flat_gradient(logs[k], self.model.shared())
        logs.sum().backward()
        norms = self.average.norm(dim=-1)
        alpha = torch.where(present, norms[present].max() / (norms + 1e-8), 0)
        combined, begin = (alpha[:, None] * self.average).sum(0), 0
        for p in self.model.shared():
            p.grad = combined[begin:begin + p.numel()].view_as(p).clone()
            begin += p.numel()
        return torch.where(present, alpha / (losses.detach() + 1e-8), 0), norms

    def updated(self, losses):
        pass


class Famo:
    def __init__(self, model):
        self.w = torch.zeros(2, requires_grad=True)
        self.adam = torch.optim.Adam([self.w], lr=0.025, weight_decay=1e-3)

    def step(self, losses, pooled, present):
        self.previous = losses.detach() if present.all() else None
        norms = torch.stack([flat_gradient(loss, [pooled]).norm() for loss in losses])
        if not present.all():
            losses.sum().backward()
            return torch.ones(2), norms
        z, d = F.softmax(self.w, -1).detach(), losses + 1e-8
        c = (z / d).sum().detach()
        (d.log() * z / c).sum().backward()
        return z / d.detach() / c, norms

    def updated(self, losses):
        if self.previous is not None:
            delta = (self.previous + 1e-8).log() - (losses.detach() + 1e-8).log()
            self.w.grad = torch.autograd.grad(F.softmax(self.w, -1), self.w, grad_outputs=delta)[0]
            self.adam.step()


def curve(method):
    model = Model()
    model.train()
    weighting = method(model)
    undecayed = {n for n, _ in model.named_parameters() if n.endswith("bias") or "layer_norm" in n or "LayerNorm" in n}
    adam = torch.optim.AdamW(
        [{"params": [p for n, p in model.named_parameters() if n not in undecayed], "weight_decay": 0.01},
         {"params": [p for n, p in model.named_parameters() if n in undecayed], "weight_decay": 0}], lr=1e-3)
    rows = []
    for t, (batch, present) in enumerate(batches()):
        for group in adam.param_groups:
            group["lr"] = 1e-3 * (t / 5 if t < 5 else (20 - t) / 15)
        model.zero_grad()
        losses, pooled = model.losses(batch)
        weights, norms = weighting.step(losses, pooled, present)
        for p in model.parameters():
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        weighting.updated(model.losses(batch)[0])
        rows.append([x.item() for x in (*losses, *weights, *norms, norm)])
    return rows


curves = {"gradnorm": curve(lambda m: GradNorm(m, False)), "gradnorm-shared": curve(lambda m: GradNorm(m, True)),
          "db-mtl": curve(DualBalancing), "famo": curve(Famo)}
lines = [f' "{name}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]" for name, rows in curves.items()]
(HERE / "weightings.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

"""A DistilBERT with a class head and, where the folder has one, a `regressor` head, which transformers ignores."""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoModelForSequenceClassification

PAD_ID = 0


class SentimentModel(nn.Module):
    """DistilBertForSequenceClassification, and a regression head on the same pooled representation."""

    def __init__(self, classifier, targets):
        """:param targets: regression targets; 0 for a model without that head"""
        super().__init__()
        self.classifier = classifier
        self.regressor = nn.Linear(classifier.config.dim, targets) if targets else None

    def forward(self, input_ids, attention_mask):
        """[B, S] twice -> pooled [B, dim], logits [B, classes], scores [B, targets] or None"""
        model = self.classifier
        hidden = model.distilbert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = model.dropout(torch.relu(model.pre_classifier(hidden[:, 0])))
        return pooled, model.classifier(pooled), None if self.regressor is None else self.regressor(pooled)

    def initialize_heads(self):
        """Draws every head from N(0, initializer_range), with zero biases, by torch's global generator."""
        for head in (self.classifier.pre_classifier, self.classifier.classifier, self.regressor):
            if head is not None:
                nn.init.normal_(head.weight, std=self.classifier.config.initializer_range)
                nn.init.zeros_(head.bias)


def load(folder, **options):
    """Opens a folder, single-file or sharded; options go to from_pretrained.

    :raises ValueError: where a parameter is missing or unknown, the regressor's excepted
    """
    classifier, report = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, output_loading_info=True, **options
    )
    unknown = [name for name in report["unexpected_keys"] if not name.startswith("regressor.")]
    if report["missing_keys"] or unknown:
        raise ValueError(f"{folder}: missing parameters {sorted(report['missing_keys'])}, unknown {sorted(unknown)}")
    regressor = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            names = [name for name in tensors.keys() if name.startswith("regressor.")]
            regressor |= {name.removeprefix("regressor."): tensors.get_tensor(name).float() for name in names}
    model = SentimentModel(classifier.float(), len(regressor["bias"]) if regressor else 0)
    if regressor:
        model.regressor.load_state_dict(regressor)
    return model.eval()


def pad(sequences):
    """Lists of token ids -> ids and mask, both int64 [B, longest]."""
    ids = np.full((len(sequences), max(map(len, sequences))), PAD_ID)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)

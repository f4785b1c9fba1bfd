#!/usr/bin/env python3
"""MiniLM with heads as TorchScript, for DJL: export_torchscript.py FOLDER writes FOLDER/minilm.pt.

The folder is a model that Nightjar saved. The script's inputs are ids and mask, int64 [B, S]; its outputs the
probabilities [B, classes] and the scores [B, targets]. Needs torch, transformers and safetensors.
"""

import pathlib
import sys
import warnings

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "interop"))

import sentiment_model  # noqa: E402


class Probabilities(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        _, logits, scores = self.model(input_ids, attention_mask)
        return torch.softmax(logits, 1), scores


def main():
    folder = pathlib.Path(sys.argv[1])
    model = Probabilities(sentiment_model.load(folder)).eval()
    # Of unequal lengths, so that the mask is not traced as one without effect.
    example = sentiment_model.pad([[101, 2003, 2023, 102], [101, 2023, 102]])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", category=torch.jit.TracerWarning)
        warnings.simplefilter("ignore", category=DeprecationWarning)
        traced = torch.jit.freeze(torch.jit.trace(model, example))
    traced.save(str(folder / "minilm.pt"))


if __name__ == "__main__":
    main()

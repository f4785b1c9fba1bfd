#!/usr/bin/env python3
"""What benchmarks/compare measures on, written to a folder: one model in every engine's form, inputs, right answers.

* `model/`: a DistilBERT of base shape (6 layers, dim 768, 12 heads, hidden 3072) with random weights by seed 0 and
  three classes, as Hugging Face's folder; `fp32.onnx` and `int8.onnx`, the same for ONNX Runtime, the second with
  dynamic quantization (per channel, signed weights).
* `inputs.txt`: a sequence a line, the case's name and then the token ids. Ids are those of SyntheticRows: 1000 + next
  mod 29000 of a SplitMix64 stream by seed 1, 101 first and 102 last. The case `ragged` is 64 headlines of 8 to 40
  tokens, lengths log-normal around 17.
* `expected.json`: logits of every sequence, by case, in float64.

Needs numpy, torch, transformers, onnx and onnxruntime.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from pytorch_training import synthetic_batch

SHAPES = [(1, 16), (1, 32), (1, 128), (1, 512), (32, 32), (32, 128)]


def config():
    return DistilBertConfig(num_labels=3, attn_implementation="eager")


def ragged_lengths():
    random = np.random.default_rng(0)
    lengths = np.clip(np.round(np.exp(random.normal(np.log(17), 0.4, 64))), 8, 40).astype(int)
    lengths[:2] = 8, 40
    return lengths.tolist()


def cases():
    """Sequences of every case by its name."""
    result = {f"{rows}x{length}": synthetic_batch(1, 0, rows, length)[0].tolist() for rows, length in SHAPES}
    result["ragged"] = [synthetic_batch(1, row, 1, length)[0][0].tolist() for row, length in enumerate(ragged_lengths())]
    return result


def pad(sequences):
    """input_ids and attention_mask of sequences of different length."""
    width = max(map(len, sequences))
    ids = torch.tensor([sequence + [0] * (width - len(sequence)) for sequence in sequences])
    mask = torch.tensor([[1] * len(sequence) + [0] * (width - len(sequence)) for sequence in sequences])
    return ids, mask


class Logits(torch.nn.Module):
    """What is exported: ids and mask to logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def export(model, folder):
    """fp32.onnx and int8.onnx."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}}
    example = pad([[101, 2000, 2001, 102], [101, 102]])
    # In evaluation like the model: the exporter puts back what it finds, and a new module trains, with dropout.
    torch.onnx.export(Logits(model).eval(), example, str(folder / "fp32.onnx"), input_names=names, output_names=["logits"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(folder / "fp32.onnx"), str(prepared), skip_symbolic_shape=True)
    quantize_dynamic(str(prepared), str(folder / "int8.onnx"), per_channel=True, weight_type=QuantType.QInt8,
                     op_types_to_quantize=["MatMul"])
    prepared.unlink()


def main():
    warnings.filterwarnings("ignore")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification(config()).eval()
    model.save_pretrained(folder / "model")
    inputs = cases()
    with torch.no_grad():
        export(model, folder)
        model.double()
        expected = {}
        for name, sequences in inputs.items():
            expected[name] = [Logits(model)(*pad([sequence]))[0].tolist() for sequence in sequences]
    lines = [f"{name} {' '.join(map(str, sequence))}" for name, all_of in inputs.items() for sequence in all_of]
    (folder / "inputs.txt").write_text("\n".join(lines) + "\n")
    # Last, so that its presence says that the folder is complete.
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()

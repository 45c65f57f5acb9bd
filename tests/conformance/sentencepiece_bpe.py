"""Write tests/inspection/sentencepiece.json: a small vocabulary of sentencepiece's and what it makes of strings.

    pip install sentencepiece
    python tests/conformance/sentencepiece_bpe.py

Byte-pair encoding with the settings of Llama 2's tokenizer, learnt from the licence. ``tokens``, ``scores``
and ``kinds`` are as GGUF keeps them; ``strings`` are pairs of a text and its tokens, without BOS.
"""

import io
import json
from pathlib import Path

import sentencepiece

OUT = Path(__file__).parents[1] / "inspection" / "sentencepiece.json"
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
STRINGS = (
    "", "a", " a", "a ", "  a  b  ", "the licence of a work", "return x + 1", "def main():\n    pass\n", "\n\n", "\t",
    "3.14159 and 1,000", "naïve café", "日本語", "привет", "🙂👩‍👩‍👧", "a🙂b", "x<custom>y",
    "<custom>", " <custom> ", "<s>", "</s>", "<0x0A>", "▁", "▁▁a", "work.work.work", "licenselicense",
    "aaaaaaaaaaaaaaaa", "\u00a0", "\x00", "it's", "ﬁ", "مرحبا بالعالم", "tokens tokenstokens", "  ",
    "    return None", "e\u0301", "\U0010ffff", "Licensor shall mean the copyright owner",
)  # fmt: skip


def main():
    """Write the file."""
    text = Path(__file__).parents[2].joinpath("LICENSE").read_text()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=500,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=["<custom>"],
        character_coverage=0.995,
        minloglevel=2,
    )
    found = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = found.get_piece_size()

    def kind(i):
        if found.is_byte(i):
            return BYTE
        if found.is_unknown(i):
            return UNKNOWN
        if found.is_control(i):
            return CONTROL
        return USER if found.id_to_piece(i) == "<custom>" else NORMAL

    kept = {
        "sentencepiece": sentencepiece.__version__,
        "tokens": [found.id_to_piece(i) for i in range(count)],
        "scores": [found.get_score(i) for i in range(count)],
        "kinds": [kind(i) for i in range(count)],
        "strings": [[s, found.encode(s)] for s in STRINGS],
    }
    OUT.write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    print(count, "tokens", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

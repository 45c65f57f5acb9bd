"""Write tests/inspection/models: small random decoders of every family, and what transformers makes of them.

    pip install torch transformers
    python tests/conformance/tiny_models.py

Each folder is as ``save_pretrained`` leaves it, with ``expected.npz``: tokens ``ids`` (T,) and, computed by
transformers in float32 (attn_implementation="eager"), ``logits`` (T, V), ``hidden`` (blocks + 1, T, D): the residual
stream before each block and after the last one's final norm, and ``attention`` (blocks, H, T, T). Every parameter is
random, biases and the scales of norms too, so that none may be left out. The folder ``llama`` has a tokenizer with
marks and a chat template.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

OUT = Path(__file__).parents[1] / "inspection" / "models"
T = 12
SIZES = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# name: class, config, type in the file
MODELS = {
    "llama": (
        LlamaForCausalLM,
        LlamaConfig(**SIZES | {"vocab_size": 300}, tie_word_embeddings=True, eos_token_id=2, bos_token_id=1),
        torch.float32,
    ),
    "llama31": (
        LlamaForCausalLM,
        LlamaConfig(
            **SIZES,
            rope_parameters=LLAMA3,
            attention_bias=True,
            mlp_bias=True,
            hidden_act="gelu",
            rms_norm_eps=1e-5,
        ),
        torch.bfloat16,
    ),
    "mistral": (
        MistralForCausalLM,
        MistralConfig(
            **SIZES | {"num_key_value_heads": 1}, head_dim=6, sliding_window=None, hidden_act="relu"
        ),
        torch.float16,
    ),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SIZES), torch.float16),
    "qwen3": (
        Qwen3ForCausalLM,
        Qwen3Config(**SIZES, head_dim=12, tie_word_embeddings=True),
        torch.bfloat16,
    ),
    "gpt2": (
        GPT2LMHeadModel,
        GPT2Config(vocab_size=48, n_positions=32, n_embd=32, n_layer=2, n_head=4, n_inner=40),
        torch.float16,
    ),
}


def tokenizer():
    """Return a tokenizer of bytes with 300 tokens, learnt from the licence."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([Path(__file__).parents[2].joinpath("LICENSE").read_text()], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=MARKS[1], eos_token=MARKS[2], pad_token=MARKS[0]
    )
    fast.chat_template = CHAT
    return fast


def write(name, made, config, dtype, seed):
    """Write one folder."""
    config._attn_implementation = "eager"
    model = made(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, p in model.named_parameters():
            scale = key.endswith("weight") and ("norm" in key or "ln_" in key)
            spread = 0.3 if p.ndim == 1 else 1.5 * p.shape[-1] ** -0.5
            p.copy_(float(scale) + spread * torch.randn(p.shape, generator=generator))
            p.copy_(p.to(dtype))  # the numbers the file keeps
        ids = torch.randint(config.vocab_size, (1, T), generator=generator)
        out = model(ids, output_hidden_states=True, output_attentions=True)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    state = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    np.savez_compressed(
        folder / "expected.npz",
        ids=ids[0].numpy().astype(np.int32),
        logits=out.logits[0].numpy(),
        hidden=torch.stack(out.hidden_states)[:, 0].numpy(),
        attention=torch.stack(out.attentions)[:, 0].numpy(),
        transformers=transformers.__version__,
        torch=torch.__version__,
    )
    print(name, f"logits up to {out.logits.abs().max():.1f}", *sorted(p.name for p in folder.iterdir()))


def main():
    """Write all folders."""
    torch.set_num_threads(1)
    for seed, (name, (made, config, dtype)) in enumerate(MODELS.items()):
        write(name, made, config, dtype, seed)
    own = tokenizer()
    own.save_pretrained(OUT / "llama")


if __name__ == "__main__":
    main()

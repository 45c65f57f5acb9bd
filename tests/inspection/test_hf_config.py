import math

import numpy as np
import pytest

from actlab import make
from actlab.errors import InputError
from actlab.inspection.hf_config import ACTS, architecture_of

LLAMA = {
    "model_type": "llama",
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def of(**changes):
    return architecture_of({k: v for k, v in (LLAMA | changes).items() if v is not ...}, blocks=20)


def test_what_is_not_said_is_the_familys():
    a = of()
    assert (a.kv_heads, a.head_width, a.epsilon, a.rope_base, a.tied) == (4, 8, 1e-6, 10_000.0, False)
    assert of(model_type="qwen3").qk_norm and of(model_type="qwen3").head_width == 128
    gpt2 = architecture_of({"model_type": "gpt2"}, blocks=200)
    assert (gpt2.depth, gpt2.width, gpt2.heads, gpt2.hidden, gpt2.context) == (12, 768, 12, 3072, 1024)
    assert (gpt2.vocabulary, gpt2.act[0], gpt2.tied) == (50257, make("gelu_tanh"), True)


# Values at -1 and 2 by transformers' ACT2FN (5.24, float64).
AT = {
    "silu": (-0.2689414213699951, 1.7615941559557649),
    "gelu": (-0.15865525393145707, 1.9544997361036416),
    "gelu_new": (-0.15880800939172324, 1.9545976940877752),
    "gelu_pytorch_tanh": (-0.15880800939172324, 1.9545976940877752),
    "gelu_fast": (-0.15880801, 1.95459769),
    "quick_gelu": (-0.15420423, 1.93565862),
    "relu2": (0.0, 4.0),
    "leaky_relu": (-0.01, 2.0),
    "mish": (-0.30340146, 1.94395895),
    "hardswish": (-1 / 3, 5 / 3),
}


@pytest.mark.parametrize("name", ACTS)
def test_activations_by_their_name_there(name):
    act = of(hidden_act=name).act[0]
    if name in AT:
        np.testing.assert_allclose(act(np.array([-1, 2], np.float32)), AT[name], rtol=2e-6)


@pytest.mark.parametrize("key", ["rope_parameters", "rope_scaling"])
def test_stretched_positions(key):
    """Under the key of transformers 5 and that of 4."""
    assert of(**{key: {"rope_type": "linear", "factor": 2}}).rope_factors == (2.0,) * 4
    assert of(**{key: {"rope_type": "default"}}).rope_factors == ()
    assert of(**{key: {"type": "linear", "factor": 2.0}}, rope_theta=500).rope_base == 500
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    factors = of(head_dim=16, rope_theta=1000.0, **{key: llama3}).rope_factors
    assert factors[0] == 1 and factors[-1] == 8  # fast and slow
    turns = 64 * 1000.0 ** (-1 / 4) / (2 * math.pi)
    assert 1 < turns < 4
    share = (turns - 1) / 3
    assert factors[2] == pytest.approx(1 / ((1 - share) / 8 + share))


def test_a_window_cuts_the_context():
    assert of(model_type="mistral", sliding_window=16).context == 16
    assert of(model_type="mistral", sliding_window=None).context == 64
    assert of(model_type="mistral", sliding_window=4096).context == 64
    assert of(model_type="qwen2", sliding_window=16).context == 64  # stated, not used
    assert of(model_type="qwen2", sliding_window=16, use_sliding_window=True).context == 16
    assert of(model_type="qwen3", sliding_window=16, layer_types=["full_attention"] * 2).context == 64
    mixed = ["full_attention", "sliding_attention"]
    assert of(model_type="qwen3", sliding_window=16, layer_types=mixed).context == 16


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "gemma2"}, "model_type 'gemma2' is not supported"),
        ({"model_type": ...}, "model_type is missing"),
        ({"model_type": ["llama"]}, r"model_type=\['llama'\]: must be a str"),
        ({"hidden_act": "gelu_10"}, "hidden_act='gelu_10' is not supported; did you mean"),
        ({"hidden_size": ...}, "hidden_size is missing"),
        ({"hidden_size": "32"}, "hidden_size=32: must be a int"),
        ({"hidden_size": True}, "hidden_size=True: must be a int"),
        (
            {"head_dim": 2**40, "rope_scaling": {"type": "linear", "factor": 2.0}},
            "head_dim=1,099,511,627,776: must be",
        ),
        ({"num_attention_heads": 0}, "num_attention_heads=0: must be >= 1"),
        ({"num_hidden_layers": 10**9}, "the model is to have 1,000,000,000 blocks, there are tensors for 20"),
        ({"num_key_value_heads": 3}, "kv_heads=3: must be a divisor of heads=4"),
        ({"rms_norm_eps": float("nan")}, "epsilon=nan"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope of type 'yarn' is not supported"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope of type 'dynamic' is not supported"),
        ({"rope_scaling": {"type": "linear", "factor": 0.5}}, "rope's factor=0.5: must be >= 1"),
        ({"rope_scaling": {"type": "linear"}}, "factor is missing"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor=0.5 is not supported"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "rope that turns a part of each head"),
        ({"quantization_config": {"bits": 4}}, "quantization_config={'bits': 4} is not supported"),
        (
            {"layer_types": ["linear_attention"] * 2},
            "layer_types has linear_attention, which is not supported",
        ),
        ({"model_type": "gpt2", "n_head": 5}, "n_head=5: must be a divisor of n_embd=768"),
        (
            {"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True},
            "scale_attn_by_inverse_layer_idx=True",
        ),
    ],
)
def test_what_is_not_supported(changes, said):
    with pytest.raises(InputError, match=said):
        of(**changes)

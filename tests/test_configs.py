"""Every YAML composes, builds, and opens with the command that uses it."""

import activation_configs
import numpy as np
import pytest
import yaml

from actlab.activations import make
from actlab.cli import composing, configs
from actlab.cli.build import build

# One activation of each sort of parameter; all their files are compared with the functions below.
SAMPLE = ("gelu", "leaky_relu", "softmax", "pade_a", "relu_sugar", "taaf", "rrelu", "xielu", "selu")
CHOICES = [
    (group, choice)
    for group, choices in configs.groups().items()
    for choice in choices
    if group != "activation" or choice in SAMPLE
]
REGRESSION = ["loss=squared_error", "objective='test loss'"]
# What a choice does not go without: tokens want a model that takes them.
WITH = {
    ("data", "text"): ["model=transformer"],
    ("data", "text_bpe"): ["model=transformer"],
    ("model", "transformer"): ["data=text"],
    ("model", "llama"): ["data=text"],
    ("data", "verses"): ["model=encoder"],
    ("model", "encoder"): ["data=verses"],
    ("data", "formula"): REGRESSION,
    ("data", "diabetes"): REGRESSION,
    ("data", "picture"): REGRESSION,
    ("data", "signal"): REGRESSION,
    ("model", "siren"): ["data=picture", *REGRESSION],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Where data=file finds one."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.ones((200, 3)), y=np.arange(200) % 2)


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_builds(group, choice):
    plus = "+" if group == "experiment" else ""
    run = build(composing.compose([f"{plus}{group}={choice}", *WITH.get((group, choice), ())]))
    if group == "activation":
        assert run.setup.act.name == choice


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_the_first_line_is_a_command_that_works(group, choice):
    import shlex

    words = shlex.split(configs.command(group, choice))
    assert words[:2] == ["actlab", "train"]
    build(composing.compose(composing.open_activation(words[2:])))


def test_every_activation_has_a_config_with_the_functions_own_defaults():
    """If this fails, run python tests/support/activation_configs.py."""
    found = {p.stem: p.read_text() for p in activation_configs.FOLDER.glob("*.yaml")}
    expected = activation_configs.expected()
    assert sorted(found) == sorted(expected)
    for name, content in expected.items():
        assert found[name] == content
        node = yaml.safe_load(content)
        given = {key: node[key] for key in node.keys() - {"name", "learn", "per", "lean"}}
        act = make(node["name"], **{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
        assert act == make(name)


def test_equal_configs_are_equal_values():
    """What a later run of the same config may share a compiled program by."""
    one, two = (
        build(composing.compose(["model=convnet", "model.kernel_size=[5,3,3]"])).setup for _ in range(2)
    )
    for part in ("model", "act", "optimizer", "stats"):
        assert getattr(one, part) == getattr(two, part)
        assert hash(getattr(one, part)) == hash(getattr(two, part))


@pytest.mark.slow
def test_the_papers_settings():
    for name, parameters in [
        ("mnist1d_mlp", 15_210),
        ("mnist1d_conv", 5_210),
        ("mnist1d_linear", 410),
        ("mnist1d_gru", 5_134),
    ]:
        run = build(composing.compose([f"+experiment={name}"]))
        from actlab.train.step import Program

        assert Program(run.setup).parameters == parameters
        assert (run.setup.steps, run.setup.batch_size, run.setup.order) == (6000, 100, "sequential")
        assert run.setup.optimizer.learning_rate == 1e-2

"""Jobs are composed once per set of group choices, and nobody can tell: config and files are Hydra's own."""

import re

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from actlab.cli import composing, sweep
from actlab.cli.sweep_basic import job_by_job
from actlab.cli.sweep_compose import Composed, Composer

JOBS = [
    [],
    ["seed=3", "optimizer.learning_rate=1e-3"],
    ["activation=gelu", "seed=3"],
    ["activation=leaky_relu", "++activation.negative_slope=0.2"],
    ["activation=swish", "activation.learn=[beta]", "activation.per=channel"],
    ["+experiment=mnist1d_mlp", "seed=1"],
    ["+extra=1", "extra=2"],
    ["+nested.deep.key={a: 1, b: [1,2]}"],
    ["++stats={every: 7}", "stats.every=9"],
    ["~label_noise", "seed=4"],
    ["seed=5", "~seed"],
    ["seed=1", "seed=2"],
    ["steps=${seed}", "seed=11"],
    ["+where=${hydra:job.num}", "batch_size=${steps}"],
    ["logger=[wandb,mlflow]", "model.width=3"],
    ["stability={}", "model.width='1=2, x'"],
    ["model=convnet", "optimizer=sgd", "optimizer.learning_rate=0.5"],
    ["hydra.job.name=other", "seed=9"],
    ["hydra.sweep.subdir=${hydra.job.override_dirname}", "seed=7", "steps=10"],
    ["hydra.sweep.subdir=${activation.name}-${hydra.job.num}", "activation=gelu"],
]
BAD = [
    ["activation=nonsense"],
    ["optimizer.rate=1"],
    ["+seed=3"],
    ["seed=1", "~nothing"],
    ["a@b=1"],
    ["no_such_group/x=1"],
]


@pytest.fixture
def composer():
    setup_globals()
    with composing._initialized():
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration(
            "train", ["seed=0,1", "hydra.sweep.dir=s", "hydra.job.id=x"], RunMode.MULTIRUN
        )
        yield Composer(loader, master)


@pytest.mark.parametrize("overrides", JOBS, ids=" ".join)
def test_composed_is_what_hydra_composes(composer, overrides):
    wanted = composer.loader.load_sweep_config(composer.master, list(overrides))
    assert OmegaConf.to_yaml(composer.compose(overrides)) == OmegaConf.to_yaml(wanted)


@pytest.mark.parametrize("overrides", BAD, ids=" ".join)
def test_what_hydra_refuses_is_refused_in_its_words(composer, overrides):
    errors = []
    for compose in (lambda o: composer.loader.load_sweep_config(composer.master, o), composer.compose):
        with pytest.raises((HydraException, OmegaConfBaseException)) as e:
            compose(list(overrides))
        errors.append(str(e.value))
    assert errors[0] == errors[1]


def test_jobs_that_differ_in_values_share_a_composition(composer, monkeypatch):
    calls = []
    full = composer.loader.load_sweep_config
    monkeypatch.setattr(composer.loader, "load_sweep_config", lambda m, o: calls.append(o) or full(m, o))
    made = Composer(composer.loader, composer.master)
    for seed in range(5):
        for name in ("relu", "gelu"):
            made.compose([f"activation={name}", f"seed={seed}", "++activation.per=channel"])
    assert calls == [["activation=relu"], ["activation=gelu"]]


@pytest.mark.slow
def test_folders_are_those_of_the_basic_launcher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Writer:
        def launch(self, launcher, overrides, first):
            for number, job in enumerate(overrides, first):
                Composed(launcher.composer.compose(job), number).write()
            return []

    (tmp_path / "jobs").write_text("\n".join(" ".join(f'"{o}"' for o in job) for job in JOBS[1:]))
    monkeypatch.setattr(sweep, "_running", [Writer()])

    def launch(name, launcher):
        argv = ["-m", "hydra/sweeper=list", "hydra.sweeper.jobs=jobs", f"hydra/launcher={launcher}"]
        composing.hydra_main([*argv, f"hydra.sweep.dir=by_{name}"], lambda cfg: None)

    launch("basic", "basic")
    launch("vmap", "vmap")
    (tmp_path / "jobs").write_text((tmp_path / "jobs").read_text() + "\nactivation=nonsense")
    told = []
    with job_by_job(lambda *job: told.append(job), raises=False):
        launch("job_by_job", "basic")
    ((number, overrides, error),) = told
    assert (number, overrides) == (len(JOBS[1:]), ["activation=nonsense"]) and "no such activation" in str(
        error
    )
    files, others, more = (
        [p.relative_to(tmp_path / name) for p in sorted((tmp_path / name).rglob("*.yaml"))]
        for name in ("by_basic", "by_vmap", "by_job_by_job")
    )
    assert len(files) == 3 * len(JOBS[1:]) + 1
    assert files == others == more
    for file in files:
        basic, vmap = ((tmp_path / f"by_{name}" / file).read_text() for name in ("basic", "vmap"))
        assert neutral(basic) == neutral(vmap), file
        assert basic.replace("by_basic", "X") == (tmp_path / "by_job_by_job" / file).read_text().replace(
            "by_job_by_job", "X"
        ), file


def neutral(text):
    """Return a saved config without the name and keys of the launcher and the sweep's folder."""
    text = re.sub(r"by_(basic|vmap)", "FOLDER", text)
    text = re.sub(r"(?m)^  launcher:\n(    .*\n)+", "", text)
    return re.sub(r"(?m)^.*hydra/launcher.*\n", "", text)

import base64
import functools
import hashlib
import json
import os
import re

import polars as pl
import pytest
import yaml

import actlab.report.page
from actlab.errors import InputError
from actlab.report import write_report
from actlab.runs import read_run
from actlab.stability import Diagnosis

from .test_findings import finding

KINDS = "healthy relu saturated diverged begun running deep long learnt softmax nans full sick"


@pytest.fixture(autouse=True, scope="module")
def small_bundle():
    """Put a word in place of a megabyte of JavaScript that these tests do not run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actlab.report.page, "javascript", lambda cache: "/* bundle */")
        yield


@pytest.fixture(scope="module")
def page(runs):
    """Give the text of a kind of run's page, written once."""
    return functools.cache(lambda kind: write_report(runs(kind)).read_text())


def payload(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="views">(.*?)</script>', text, re.S)[1])


@pytest.mark.parametrize("kind", KINDS.split())
def test_every_run_has_a_page_that_asks_for_nothing(runs, page, kind):
    text = page(kind)
    assert (runs(kind) / "report.html").read_text() == text
    assert "$" not in re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert "@import" not in text
    assert "url(" not in text
    assert '<html lang="en">' in text
    views = payload(text)["views"]
    assert text.count('class="plot"') == len(views) >= 8
    assert all(view["label"] for view in views)


def test_the_policy_allows_exactly_what_is_there(page):
    text = page("healthy")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for inline in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.S):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_header_and_table_say_what_happened(page):
    text = page("relu")
    assert "<title>relu in an MLP (depth 8, width 100) on MNIST-1D · actlab</title>" in text
    assert '<span class="badge finished">finished</span>' in text
    assert "4,000 of 4,000" in text
    assert "All 8 sites look healthy" in text
    assert text.count('<span class="verdict ok">healthy</span>') == 8
    assert 'role="alert"' not in text


def test_saturation_is_told_in_words(page):
    text = page("saturated")
    assert "4 of 4 sites need a look: blocks.0.act (saturated)" in text


def test_divergence_is_told_first(page):
    text = page("diverged")
    assert "Diverged at step 4,000: the pre-activation of blocks.2.act stopped being finite first." in text
    assert text.index('role="alert"') < text.index("Site by site")
    assert '<span class="verdict bad">not finite, here first</span>' in text


def test_a_run_that_diverged_before_its_first_record_has_a_page(new_run):
    folder = new_run(records=0, state="diverged")
    text = write_report(folder).read_text()
    assert "Diverged at step 37" in text
    assert "No loss or accuracy was recorded" in text


def test_text_of_the_run_stays_text(new_run):
    name = '"><u></script><img src=x onerror=alert(1)><script>alert(1)</script>'
    folder = new_run(records=2, sites=2, command=f"actlab train 'x={name}'")
    config = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())
    config["activation"]["name"] = name
    config["model"]["name"] = name
    config[name] = {name: name}
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    info = json.loads((folder / "run.json").read_text())
    info |= {"device": name, "state": name, "git_commit": name, "versions": {name: name, "actlab": name}}
    info |= {"sites": [name, *info["sites"]], "divergence": {"step": 1, "site": name, "message": name}}
    (folder / "run.json").write_text(json.dumps(info))
    text = write_report(folder).read_text()
    assert name not in text
    assert text.count("<script") == 3
    assert "<img" not in text
    assert "<u>" not in text
    assert payload(text)


def test_missing_keys_and_files_leave_a_smaller_page(new_run):
    folder = new_run(records=2)
    (folder / "run.json").write_text("{}")
    (folder / ".hydra" / "config.yaml").unlink()
    (folder / ".hydra" / "overrides.yaml").unlink()
    for part in (folder / "histograms").iterdir():
        part.unlink()
    text = write_report(folder).read_text()
    assert "state unknown" in text
    assert "Values under the curve" not in text
    assert "Gradient norm" in text


def test_configuration_shows_what_the_command_set(page):
    text = page("relu")
    assert '<tr class="set"><th scope="row">depth</th><td>8</td></tr>' in text
    assert '<tr class="default"><th scope="row">schedule.name</th><td>cosine</td></tr>' in text
    assert "actlab train activation=relu model.depth=8" in text


@pytest.mark.slow
def test_a_page_is_replaced_whole_or_not_at_all(new_run, monkeypatch):
    folder = new_run(records=2)
    path = write_report(folder)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        write_report(folder)
    assert path.read_bytes() == before
    assert not [p for p in folder.iterdir() if p.name.startswith(".report")]


def test_eight_sites_and_two_hundred_records_stay_small(page):
    # The bundle adds 0.9 MB.
    assert len(page("relu").encode()) < 0.7e6


def test_a_full_run_has_every_section_and_a_basic_one_those_it_can_fill(page):
    full, basic = page("full"), page("healthy")
    for name in ("depth", "ridges", "parameters", "trends", "attention", "units"):
        assert f'id="h-{name}"' in full
    for name in ("attention", "units", "parameters"):
        assert f'id="h-{name}"' not in basic
    for name in ("depth", "ridges", "trends"):
        assert f'id="h-{name}"' in basic
    assert "blocks.0.scores" not in full[full.index("Site by site") : full.index("h-charts")]


def test_the_slider_knows_its_steps(page):
    steps = [int(step) for step in re.search(r'data-steps="([^"]*)"', page("full"))[1].split(",")]
    depth = [view for view in payload(page("full"))["views"] if "profile" in view["tables"]]
    assert len(depth) == 6
    for view in depth:
        assert sorted(set(view["tables"]["profile"]["keys"]["step"])) == steps
    assert f'max="{len(steps) - 1}" value="{len(steps) - 1}"' in page("full")


def test_findings_stand_before_everything_but_a_divergence(runs):
    found = Diagnosis((finding(title="Too warm"),), (), ("one",))
    text = actlab.report.page.page(read_run(runs("diverged")), "/* bundle */", found)
    places = [text.index(what) for what in ('role="alert"', "Too warm", "Site by site")]
    assert places == sorted(places)


@pytest.mark.slow
def test_a_thousand_sites_stay_below_six_megabytes(new_run):
    folder = new_run(sites=2, records=3)
    run = read_run(folder)
    few = run.metrics.filter(pl.col("site") == "blocks.0.act")
    names = [f"blocks.{i}.act" for i in range(1000)]
    many = few.drop("site").join(pl.DataFrame({"site": names}), how="cross").select(run.metrics.columns)
    bins = run.histograms.filter(pl.col("site") == "blocks.0.act").drop("site")
    bins = bins.join(pl.DataFrame({"site": names}), how="cross").select(run.histograms.columns)
    wide = {
        "metrics": many.sort("step"),
        "histograms": bins.sort("step"),
        "sites": tuple(names),
        "layers": tuple(names),
    }
    fields = {name: getattr(run, name) for name in run.__dataclass_fields__}
    text = actlab.report.page.page(type(run)(**{**fields, **wide}), "/* bundle */", Diagnosis((), (), ()))
    assert len(text.encode()) < 6e6
    assert "48 of 1,000 sites are drawn, evenly spread over the depth." in text


def test_a_page_tells_what_the_diagnosis_finds(page):
    sick, healthy = page("sick"), page("healthy")
    assert "Vanishing gradients" in sick
    assert sick.count('class="card finding sev-warning"') == 2
    assert "Nothing that needs a change was found by" in healthy
    assert 'class="card finding sev-warning"' not in healthy

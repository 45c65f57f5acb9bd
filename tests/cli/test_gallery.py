"""`actlab gallery`: where the page goes and what is said about it."""

import pytest

import actlab.report.gallery


@pytest.fixture(autouse=True)
def small_bundle(monkeypatch):
    monkeypatch.setattr(actlab.report.gallery, "javascript", lambda cache: "/* bundle */")
    monkeypatch.setattr("actlab.cli.runtime.prepare", lambda: None)


@pytest.mark.slow
def test_the_page_goes_where_it_is_said_to(actlab, here):
    code, out, err = actlab("gallery", "relu", "tanh", "relu")
    assert (code, out, err) == (0, "gallery/index.html\n", "")
    text = (here / "gallery" / "index.html").read_text()
    assert text.count('<article class="card fn"') == 2
    code, out, _ = actlab("gallery", "tanh", "--out", here / "deep" / "er")
    assert code == 0
    assert out.strip() == str(here / "deep" / "er" / "index.html")


def test_open_shows_it(actlab, here, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    actlab("gallery", "tanh", "--open")
    assert opened == [(here / "gallery" / "index.html").as_uri()]


def test_what_cannot_be_is_told_in_one_line(actlab, here, monkeypatch):
    (here / "file").write_text("in the way")
    code, out, err = actlab("gallery", "tanh", "--out", "file")
    assert (code, out) == (2, "")
    assert "file/index.html cannot be written" in err
    (here / "own_users.py").write_text("import jax.numpy as jnp\ndef f(x): return jnp.tanh(x)\n")
    monkeypatch.syspath_prepend(here)
    code, _, err = actlab("gallery", "own_users:f")
    assert code == 2
    assert "actlab show own_users:f shows your own" in err

import pytest
import vl_convert

from actlab.report.bundle import javascript


@pytest.fixture
def made(monkeypatch):
    """Count how often the bundle is made, and make a short one."""
    calls = []

    def bundle(snippet, vl_version):
        calls.append(vl_version)
        return 'let a = "</script><!--";'

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    return calls


def test_the_bundle_is_made_once_and_cannot_end_its_element(made, tmp_path):
    text = javascript(tmp_path / "cache")
    assert javascript(tmp_path / "cache") == text == 'let a = "<\\/script><\\!--";'
    assert len(made) == 1


def test_a_damaged_copy_is_made_again(made, tmp_path):
    text = javascript(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace("let", "lot"))
    assert javascript(tmp_path) == text
    file.write_bytes(b"\xff\xfe")
    assert javascript(tmp_path) == text
    assert len(made) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(made, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert javascript(tmp_path / "file" / "cache")


def test_without_an_argument_the_cache_is_actlabs(made, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "own"))
    javascript()
    assert len(list((tmp_path / "own").iterdir())) == 1

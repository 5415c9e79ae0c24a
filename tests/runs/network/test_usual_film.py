import pytest

from neurotarget.runs.network.usual_film import FILE, read_usual


@pytest.mark.parametrize("content", ["", "[]", '{"small": [[1]], "is_framed": 0, "is_deep": null}'])
def test_a_broken_file_is_reported_and_films_are_not_checked(tmp_path, caplog, content):
    (tmp_path / FILE).write_text(content)
    assert read_usual(tmp_path / "config.yaml") is None
    assert "films are not checked" in caplog.text

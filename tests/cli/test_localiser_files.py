"""Broken files of a localiser are found, printed and made anew."""

import pytest

from neurotarget.cli.localiser_files import is_whole, read_found

BROKEN = ["", "[]", '{"boxes": {}}', '{"boxes": {}, "facts": {}}', "[" * 100_000]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_boxes_make_a_localiser_anew(tmp_path, capsys, text):
    (tmp_path / "boxes.json").write_text(text)
    assert not is_whole(tmp_path, tmp_path / "last.ckpt")
    printed = f"  {tmp_path / 'boxes.json'}: is broken; the localiser is made anew\n"
    assert capsys.readouterr().out == printed
    with pytest.raises(ValueError, match=r"no boxes of a localiser|Expecting value|too deep"):
        read_found(tmp_path)


def test_an_absent_localiser_is_not_called_broken(tmp_path, capsys):
    assert not is_whole(tmp_path, tmp_path / "last.ckpt")
    assert capsys.readouterr().out == ""

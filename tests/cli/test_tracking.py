import pytest

from neurotarget.cli.tracking import wandb_mode
from neurotarget.types import DataError


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_a_run_is_offline():
    assert wandb_mode("auto") == "offline"


def test_with_a_key_it_is_online(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert wandb_mode("auto") == "online"
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb_mode("auto") == "online"


def test_wandb_mode_wins_over_auto_and_a_word_over_both(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode("auto") == "disabled"
    assert wandb_mode("offline") == "offline"


def test_other_words_are_refused():
    with pytest.raises(DataError, match="wanted one of auto, online, offline, disabled"):
        wandb_mode("yes")

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from neurotarget.data.cases import download
from neurotarget.data.cases.download import ARCHIVES, Archive, fetch
from neurotarget.problems import DataError

FILES = {"Tiny/dataset.json": b"{}", "Tiny/imagesTr/a.nii.gz": b"voxels", "Tiny/._a": b"macOS"}


def tar_of(files, link=None):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("Tiny/link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            tar.addfile(member)
    return stream.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Cut(BaseHTTPRequestHandler):
    """Breaks off the first answer half-way, as a lost connection does."""

    content, answers = b"", 0

    def do_GET(self):
        type(self).answers += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        half = len(self.content) // 2
        self.wfile.write(self.content[:half] if self.answers == 1 else self.content)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Tries follow each other at once, which users' are seconds apart."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def serve():
    servers = []

    def start(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/tiny.tar"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def offer(tmp_path, serve, monkeypatch):
    """Put an archive on a local server under the name `tiny`."""

    def put(content, known_hash=None):
        shelf = tmp_path / "server"
        shelf.mkdir()
        (shelf / "tiny.tar").write_bytes(content)
        known_hash = known_hash or f"md5:{hashlib.md5(content).hexdigest()}"
        url = serve(partial(Quiet, directory=str(shelf)))
        monkeypatch.setitem(ARCHIVES, "tiny", Archive(url, known_hash, "Tiny"))

    return put


def names(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def test_a_data_set_is_fetched_checked_and_unpacked(tmp_path, offer):
    offer(tar_of(FILES))
    root = fetch("tiny", tmp_path / "sets")
    assert root == tmp_path / "sets" / "Tiny"
    assert names(tmp_path / "sets") == ["Tiny/dataset.json", "Tiny/imagesTr/a.nii.gz", "tiny.tar"]


def test_a_complete_folder_is_used_without_network(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHIVES, "tiny", Archive("http://127.0.0.1:9/tiny.tar", "md5:0", "Tiny"))
    (tmp_path / "Tiny").mkdir()
    (tmp_path / "Tiny" / "dataset.json").write_text("{}")
    assert fetch("tiny", tmp_path) == tmp_path / "Tiny"


def test_an_archive_put_there_by_hand_is_used_without_network(tmp_path, monkeypatch):
    content = tar_of(FILES)
    known_hash = f"md5:{hashlib.md5(content).hexdigest()}"
    (tmp_path / "tiny.tar").write_bytes(content)
    dead = Archive("http://127.0.0.1:9/tiny.tar", known_hash, "Tiny")
    monkeypatch.setitem(ARCHIVES, "tiny", dead)
    assert (fetch("tiny", tmp_path) / "dataset.json").is_file()


def test_without_network_the_sentence_says_what_to_put_where(tmp_path, monkeypatch):
    dead = Archive("http://127.0.0.1:9/tiny.tar", "md5:0", "Tiny")
    monkeypatch.setitem(ARCHIVES, "tiny", dead)
    error = r"http://127.0.0.1:9/tiny.tar.*put the archive.*tiny.tar.*data.root=<folder with data"
    with pytest.raises(DataError, match=error):
        fetch("tiny", tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(tmp_path, offer):
    offer(tar_of(FILES), known_hash="md5:00000000000000000000000000000000")
    with pytest.raises(DataError, match="does not match the known hash"):
        fetch("tiny", tmp_path / "sets")
    assert names(tmp_path / "sets") == []


def test_a_broken_connection_is_tried_again(tmp_path, serve, monkeypatch):
    content = tar_of(FILES)
    handler = type("CutOnce", (Cut,), {"content": content})
    known_hash = f"md5:{hashlib.md5(content).hexdigest()}"
    monkeypatch.setitem(ARCHIVES, "tiny", Archive(serve(handler), known_hash, "Tiny"))
    assert (fetch("tiny", tmp_path) / "imagesTr" / "a.nii.gz").read_bytes() == b"voxels"
    assert handler.answers == 2


def test_a_half_unpacked_archive_is_unpacked_again(tmp_path, offer, monkeypatch):
    offer(tar_of(FILES))

    def one_member_then_stop(tar):
        yield tar.next()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "_safe", one_member_then_stop)
        with pytest.raises(KeyboardInterrupt):
            fetch("tiny", tmp_path / "sets")
    assert names(tmp_path / "sets") == ["tiny.tar"]
    assert (fetch("tiny", tmp_path / "sets") / "imagesTr" / "a.nii.gz").is_file()


@pytest.mark.parametrize("name", ["../evil", "Tiny/../../evil", "/tmp/neurotarget-evil"])
def test_a_member_that_leaves_the_folder_is_refused(tmp_path, offer, name):
    offer(tar_of({**FILES, name: b"evil"}))
    with pytest.raises(DataError, match="unsafe member"):
        fetch("tiny", tmp_path / "sets")
    assert not list(tmp_path.rglob("*evil*"))
    assert names(tmp_path / "sets") == ["tiny.tar"]


def test_a_link_in_an_archive_is_refused(tmp_path, offer):
    offer(tar_of(FILES, link="/etc/passwd"))
    with pytest.raises(DataError, match="unsafe member 'Tiny/link'"):
        fetch("tiny", tmp_path / "sets")


def test_an_archive_without_dataset_json_is_refused(tmp_path, offer):
    offer(tar_of({"Other/dataset.json": b"{}"}))
    with pytest.raises(DataError, match=r"no Tiny/dataset\.json"):
        fetch("tiny", tmp_path / "sets")


def test_a_folder_in_the_way_is_named(tmp_path, offer):
    offer(tar_of(FILES))
    (tmp_path / "sets" / "Tiny").mkdir(parents=True)
    with pytest.raises(DataError, match=r"Tiny: found a folder without dataset\.json"):
        fetch("tiny", tmp_path / "sets")


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(DataError, match=r"data set hippo: .*msd_hippocampus"):
        fetch("hippo", tmp_path)


def test_several_processes_may_ask_at_once(tmp_path, offer):
    offer(tar_of(FILES))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch("tiny", tmp_path / "sets")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "sets" / "Tiny"] * 4

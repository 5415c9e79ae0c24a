"""Public data sets by name: downloaded once, with a checksum and a progress bar."""

import tarfile
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pooch
from filelock import FileLock

from neurotarget.problems import DataError

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30


class Archive(NamedTuple):
    """Address of a public data set, and how to verify it."""

    url: str
    known_hash: str  # "<algorithm>:<hex digest>"
    root: str  # folder in the archive with dataset.json


# Address and checksum as in MONAI's `DecathlonDataset`; data: doi:10.1038/s41467-022-30695-9.
ARCHIVES = {
    "msd_hippocampus": Archive(
        url="https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar",
        known_hash="md5:9d24dba78a72977dbd1d2e110310f31b",
        root="Task04_Hippocampus",
    ),
}


def fetch(name: str, folder: Path) -> Path:
    """Return the folder with `dataset.json` of a public data set; download it if absent.

    The archive is verified before it is unpacked and stays next to the result; an interrupted
    download or extraction leaves nothing that a later call would use. Safe for several processes.

    Args:
        name: key of `ARCHIVES`.
        folder: holds the archive and the data set; made if it is missing.

    Raises:
        DataError: unknown name, no network, wrong checksum, unsafe archive, or the path is taken.
    """
    if name not in ARCHIVES:
        raise DataError(
            f"data set {name}: no public address is known, wanted one of {', '.join(ARCHIVES)}; "
            "set data.root=<folder of your data>"
        )
    archive, folder = ARCHIVES[name], Path(folder)
    root = folder / archive.root
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{archive.root}.lock"):
            if not (root / "dataset.json").is_file():
                _unpack(_download(archive, folder), archive, folder)
    except (OSError, ValueError, tarfile.TarError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(_refusal(name, archive, folder, error)) from error
    return root


def _download(archive: Archive, folder: Path) -> Path:
    name = PurePosixPath(archive.url).name
    shelf = pooch.create(
        path=folder,
        base_url="",
        registry={name: archive.known_hash},
        urls={name: archive.url},
        retry_if_failed=2,
    )
    loader = pooch.HTTPDownloader(progressbar=True, chunk_size=CHUNK_BYTES, timeout=TIMEOUT_S)
    return Path(shelf.fetch(name, downloader=loader))


def _unpack(path: Path, archive: Archive, folder: Path) -> None:
    root = folder / archive.root
    if root.exists():
        raise DataError(
            f"{root}: found a folder without dataset.json where the data set is to be unpacked, "
            "wanted the whole data set or nothing; move it away and run again"
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{archive.root}.") as scratch:
        with tarfile.open(path) as tar:
            # Python before 3.11.4 has no filters; there only `_safe` protects
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(scratch, members=_safe(tar))
        if not (Path(scratch) / archive.root / "dataset.json").is_file():
            raise DataError(f"{path}: found no {archive.root}/dataset.json in it; report this")
        (Path(scratch) / archive.root).replace(root)


def _safe(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if not (member.isfile() or member.isdir()) or ".." in parts or member.name.startswith("/"):
            raise tarfile.TarError(f"the archive holds an unsafe member {member.name!r}")
        if not parts or not parts[-1].startswith("._"):  # resource forks that macOS adds
            yield member


def _refusal(name: str, archive: Archive, folder: Path, error: Exception) -> str:
    reason = textwrap.shorten(str(error) or type(error).__name__, width=240, placeholder=" …")
    return (
        f"data set {name}: could not be fetched from {archive.url} into {folder} ({reason}); "
        f"run again with a network, or put the archive ({archive.known_hash}) at "
        f"{folder / PurePosixPath(archive.url).name}, or unpack it anywhere and set "
        f"data.root=<folder with dataset.json>"
    )

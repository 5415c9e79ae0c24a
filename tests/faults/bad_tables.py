"""Bad inputs: tables, JSON and YAML that no tool of the field writes."""

import json
from collections.abc import Iterator
from pathlib import Path

from faults.bad_input import Bad, Write
from faults.input_files import HEAD, LINT, written
from oracles.balls import TARGET
from oracles.gre_scans import write_bids

ROW = "sub-00\tsub-00\tsub-00.nii.gz\tsub-00_seg.nii.gz\t20\tF"
MANY_DIGITS, DEEP = "9" * 5000, "[" * 100_000

MANIFESTS: tuple[tuple[str, str, str], ...] = (  # fault, text, what is named
    ("empty", "", "manifest.tsv"),
    ("only a header", HEAD, "manifest.tsv"),
    ("blanks", "   \n\n  ", "manifest.tsv"),
    ("no column of cases", ROW, "case_id"),
    ("label and Label", f"{HEAD}\tLabel\n{ROW}\tsub-01_seg.nii.gz", "Label"),
    ("LABEL alone", f"{HEAD.replace('label', 'LABEL')}\n{ROW}", "LABEL"),
    ("t1 and T1", f"{HEAD}\tT1\n{ROW}\tsub-01.nii.gz", "T1"),
    ("t1 twice", f"{HEAD}\tt1\n{ROW}\tsub-01.nii.gz", "t1"),
    ("label with a blank", f"{HEAD}\tlabel \n{ROW}\tsub-01_seg.nii.gz", "label"),
    ("a Cyrillic label", f"{HEAD}\tl\u0430bel\n{ROW}\tsub-01_seg.nii.gz", "bel"),
    ("a full-width t1", f"{HEAD}\t\uff541\n{ROW}\tsub-01.nii.gz", "1"),
    ("Age and age", f"{HEAD}\tAge\n{ROW}\t99", "Age"),
    ("a case twice", f"{HEAD}\n{ROW}\n{ROW}", "sub-00"),
    ("a case without a name", f"{HEAD}\n\t{ROW.partition(chr(9))[2]}", "case_id"),
    ("a case of another folder", f"{HEAD}\n../{ROW}", "../sub-00"),
    ("a case with a slash", f"{HEAD}\na/b{ROW[6:]}", "a/b"),
    ("a case of dots", f"{HEAD}\n..{ROW[6:]}", ".."),
    ("a case of 300 letters", f"{HEAD}\n{'a' * 300}{ROW[6:]}", "a"),
    ("a case with NUL", f"{HEAD}\nsub\0x{ROW[6:]}", "manifest"),
    ("no scan", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', '')}", "sub-00"),
    ("no mask", f"{HEAD}\n{ROW.replace('sub-00_seg.nii.gz', '')}", "sub-00"),
    ("a scan that is absent", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', 'no.nii.gz')}", "no.nii.gz"),
    ("a scan that is a folder", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', '.')}", "sub-00"),
    ("a scan that is a device", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', '/dev/zero')}", "sub-00"),
    ("a scan that is a text", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', 'manifest.tsv')}", "sub-00"),
    ("a scan of nobody", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', '~nosuchuser/a.nii.gz')}", "sub"),
    ("a scan with NUL", f"{HEAD}\n{ROW.replace('sub-00.nii.gz', 'a' + chr(0) + '.nii.gz')}", "man"),
    ("an age in letters", f"{HEAD}\n{ROW.replace('20', 'twenty')}", "age"),
    ("an age that is infinite", f"{HEAD}\n{ROW.replace('20', 'inf')}", "age"),
    ("an age of 5,000 digits", f"{HEAD}\n{ROW.replace('20', MANY_DIGITS)}", "age"),
    ("an age of a superscript", f"{HEAD}\n{ROW.replace('20', chr(0xB2))}", "age"),
    ("ages below zero", f"{HEAD}\n{ROW.replace('20', '-20')}", "age"),
    ("two sexes of one subject", f"{HEAD}\n{ROW}\nb{ROW[6:-1]}M", "sub-00"),
    ("more cells than columns", f"{HEAD}\n{ROW}\tmore\tmore", "manifest"),
    ("fewer cells than columns", f"{HEAD}\nsub-00\tsub-00", "line 2"),
    ("a quote that never ends", f'{HEAD}\n"{ROW}', "manifest"),
)
READ = ("an age in letters", "an age that is infinite", "ages below zero", "LABEL alone")


def tables() -> Iterator[Bad]:
    """Manifests, data sets, sidecars, tables of volumes and targets."""
    for name, text, named in MANIFESTS:
        read = name in READ
        yield Bad(
            f"manifest: {name}", LINT, written("data/manifest.tsv", text), named, accepted=read
        )
    for name, content in (
        ("Latin-1", f"{HEAD}\n{ROW}\tM\xfcller".encode("latin-1")),
        ("UTF-16 cut", f"{HEAD}\n{ROW}".encode("utf-16")[:-1]),
        ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        ("an Excel file", b"PK\x03\x04" + bytes(100)),
    ):
        yield Bad(f"manifest: {name}", LINT, written("data/manifest.tsv", content), "manifest")
    yield from _decathlon()
    yield from _nnunet()
    yield from _sidecars()
    yield from _participants()
    yield from _targets()
    yield from _volumes()


BROKEN_JSON: tuple[tuple[str, str], ...] = (
    ("empty", ""),
    ("cut", '{"labels": {'),
    ("a list", "[1, 2]"),
    ("a number", "3"),
    ("null", "null"),
    ("a text", '"text"'),
    ("nesting without end", DEEP),
    ("5,000 digits", f'{{"numTraining": {MANY_DIGITS}, "training": {MANY_DIGITS}}}'),
    ("NUL", "\0\0\0\0"),
)


def _decathlon() -> Iterator[Bad]:
    argv = ["neurotarget", "lint", "msd", "target=ball"]
    whole = {
        "name": "balls",
        "modality": {"0": "t1"},
        "labels": {"0": "background", "1": "core", "2": "shell"},
        "training": [{"image": "../data/sub-00.nii.gz", "label": "../data/sub-00_seg.nii.gz"}],
    }
    for name, text in BROKEN_JSON:
        yield Bad(f"dataset.json: {name}", argv, written("msd/dataset.json", text), "dataset.json")
    for key, value in (
        ("training", {}),
        ("training", "all"),
        ("training", [3]),
        ("training", [{}]),
        ("training", [{"image": 3, "label": []}]),
        ("training", [{"image": "no.nii.gz", "label": "no.nii.gz"}]),
        ("training", [{"image": "\0", "label": "\0"}]),
        ("training", [{"image": "/dev/zero", "label": "/dev/zero"}]),
        ("training", []),
    ):
        content = json.dumps(whole | {key: value})
        name = f"dataset.json: {key} {json.dumps(value)[:40]}"
        yield Bad(name, argv, written("msd/dataset.json", content))


def _nnunet() -> Iterator[Bad]:
    argv = ["neurotarget", "lint", "raw", "target=ball"]
    whole = {
        "channel_names": {"0": "t1"},
        "labels": {"background": 0, "core": 1, "shell": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }

    def with_file(content: str) -> Write:
        def write(folder: Path) -> None:
            for name, source in (("imagesTr/a_0000", "sub-00"), ("labelsTr/a", "sub-00_seg")):
                path = folder / "raw" / f"{name}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((folder / "data" / f"{source}.nii.gz").read_bytes())
            (folder / "raw" / "dataset.json").write_text(content)

        return write

    for name, text in BROKEN_JSON:
        yield Bad(f"nnU-Net: {name}", argv, with_file(text), "dataset.json")
    for key, value, read in (
        ("numTraining", "many", True),
        ("numTraining", [1], True),
        ("numTraining", 7, True),
        ("file_ending", ".dcm", False),
        ("file_ending", 3, False),
        ("file_ending", "../x", False),
        ("labels", 3, True),
        ("labels", ["core"], True),
        ("labels", {"core": "one"}, True),
        ("channel_names", 3, True),
        ("channel_names", {"0": "t1", "1": "t2"}, True),
        ("channel_names", {"zero": []}, True),
        ("dataset", {"a": 3}, False),
        ("dataset", {"../a": {"images": [], "label": ""}}, False),
    ):
        content = json.dumps(whole | {key: value})
        warned = f"numTraining {value}" if key == "numTraining" else ""
        name = f"nnU-Net: {key} {value!r:.40}"
        yield Bad(name, argv, with_file(content), accepted=read, warned=warned)


def _sidecars() -> Iterator[Bad]:
    argv = ["neurotarget", "qsm", "bids", "output=maps", "device=cpu"]

    def with_file(text: str) -> Write:
        def write(folder: Path) -> None:
            write_bids(folder / "bids", ["01"])
            for path in (folder / "bids" / "sub-01" / "anat").glob("*echo-2*.json"):
                path.write_text(text)

        return write

    for name, text in BROKEN_JSON:
        yield Bad(f"sidecar: {name}", argv, with_file(text), "echo-2")
    for value in ("[0.008]", '"fast"', "-0.008", "0", "1e400", "NaN", MANY_DIGITS, "{}", "true"):
        text = f'{{"EchoTime": {value}}}'
        yield Bad(f"sidecar: EchoTime {value[:12]}", argv, with_file(text), "EchoTime")
    for value in ("[3]", '"high"', "-3", "0", "1e400", "NaN", MANY_DIGITS, "{}"):
        text = f'{{"EchoTime": 0.008, "MagneticFieldStrength": {value}}}'
        named = "echo-2" if value == MANY_DIGITS else "MagneticFieldStrength"  # is no JSON at all
        yield Bad(f"sidecar: field {value[:12]}", argv, with_file(text), named)


def _participants() -> Iterator[Bad]:
    argv = ["neurotarget", "lint", "set", "target=ball"]

    def with_file(name: str, content: bytes) -> Write:
        def write(folder: Path) -> None:
            root = folder / "set"
            for place, source in (
                ("sub-00/anat/sub-00_T1w", "sub-00"),
                ("derivatives/masks/sub-00/anat/sub-00_dseg", "sub-00_seg"),
            ):
                path = root / f"{place}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((folder / "data" / f"{source}.nii.gz").read_bytes())
            (root / "dataset_description.json").write_text('{"Name": "a", "BIDSVersion": "1.8.0"}')
            (root / name).write_bytes(content)

        return write

    head = "participant_id\tage\tsex\n"
    for name, text in (
        ("no participant_id", "age\tsex\n20\tF\n"),
        ("a person twice", f"{head}sub-00\t20\tF\nsub-00\t30\tM\n"),
        ("age and Age", "participant_id\tage\tAge\nsub-00\t20\t90\n"),
        ("a picture", "\x89PNG\0\0"),
        ("age of 5,000 digits", f"{head}sub-00\t{MANY_DIGITS}\tF\n"),
    ):
        content = with_file("participants.tsv", text.encode())
        yield Bad(f"participants: {name}", argv, content, "participants", accepted="digits" in name)
    for name, text in BROKEN_JSON:
        content = with_file("dataset_description.json", text.encode())
        yield Bad(f"dataset_description: {name}", argv, content, accepted=True)


TARGETS: tuple[tuple[str, str, str], ...] = (  # key, value in YAML, what is named
    ("labels", "{}", "label"),
    ("labels", "[core]", "label"),
    ("labels", "{core: -1}", "-1"),
    ("labels", "{core: 0}", "0"),
    ("labels", "{core: 1, shell: 1}", "1"),
    ("labels", "{core: one}", "one"),
    ("labels", "{core: 1.5}", "1.5"),
    ("labels", "{core: true}", "core"),
    ("labels", "{core: 99999999999999999999}", "core"),
    ("labels", "{'../core': 1}", "core"),
    ("labels", '{"a\\u202eb": 1}', "label"),
    ("contrasts", "[]", "contrast"),
    ("contrasts", "t1", "contrast"),
    ("contrasts", "[t1, t1]", "t1"),
    ("contrasts", "[3]", "contrast"),
    ("contrasts", "[label]", "label"),
    ("spacing_mm", "[0, 1, 1]", "spacing_mm"),
    ("spacing_mm", "[-1, 1, 1]", "spacing_mm"),
    ("spacing_mm", "[.nan, 1, 1]", "spacing_mm"),
    ("spacing_mm", "[.inf, 1, 1]", "spacing_mm"),
    ("spacing_mm", "[1, 1]", "spacing_mm"),
    ("spacing_mm", "1", "spacing_mm"),
    ("spacing_mm", "[a, b, c]", "spacing_mm"),
    ("patch_vox", "[0, 16, 16]", "patch_vox"),
    ("patch_vox", "[16, 16]", "patch_vox"),
    ("patch_vox", "[1.5, 16, 16]", "patch_vox"),
    ("patch_vox", "[a, 16, 16]", "patch_vox"),
    ("volume_range_mm3", "{core: [5, 1]}", "core"),
    ("volume_range_mm3", "{core: 5}", "core"),
    ("volume_range_mm3", "{other: [1, 5]}", "other"),
    ("volume_range_mm3", "{core: [a, b]}", "core"),
    ("hypotheses", "{q: 'volume ~ __import__(\"os\")'}", "q"),
    ("hypotheses", "{q: 'nothing'}", "q"),
    ("hypotheses", "{q: 3}", "q"),
    ("hypotheses", "[a]", "hypotheses"),
    ("pairs", "[[core, other]]", "other"),
    ("background_ids", "[1]", "1"),
    ("background_ids", "all", "background_ids"),
    ("ignore_ids", "[2]", "2"),
    ("nonsense", "1", "nonsense"),
    ("_target_", "os.system", "os.system"),
)


def _targets() -> Iterator[Bad]:
    argv = ["neurotarget", "lint", "data/manifest.tsv", "target=odd.yaml"]
    for key, value, named in TARGETS:
        kept = [line for line in TARGET.splitlines() if not line.startswith(f"{key}:")]
        if key == "hypotheses":
            kept = [line for line in kept if not line.startswith("  ")]
        text = "\n".join([*kept, f"{key}: {value}"])
        yield Bad(f"target: {key} {value}", argv, written("odd.yaml", text), named)
    for name, text in (
        ("empty", ""),
        ("a list", "- a"),
        ("broken", "labels: {core: 1"),
        ("Python", "!!python/object/apply:os.system ['true']"),
        ("nesting without end", DEEP),
        ("NUL", "\0"),
        ("5,000 digits", f"labels: {{core: {MANY_DIGITS}}}"),
        ("aliases without end", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]"),
    ):
        yield Bad(f"target: {name}", argv, written("odd.yaml", text), "odd.yaml")


def _volumes() -> Iterator[Bad]:
    argv = ["neurotarget", "study", "table=volumes.csv", "target=ball", "output=studied"]
    head = "case_id,core,shell,age,sex\n"
    for name, text in (
        ("empty", ""),
        ("only a header", head),
        ("no case", "core,shell\n1,2\n"),
        ("a case twice", f"{head}a,1,2,3,F\na,1,2,3,F\n"),
        ("volumes in letters", f"{head}a,much,2,3,F\n"),
        ("volumes of 5,000 digits", f"{head}a,{MANY_DIGITS},2,3,F\nb,1,2,3,F\nc,1,2,3,M\n"),
        ("volumes below zero", f"{head}a,-1,2,3,F\nb,1,2,3,F\nc,1,2,3,M\n"),
        ("volumes infinite", f"{head}a,inf,2,3,F\nb,1,2,3,F\nc,1,2,3,M\n"),
        ("core and Core", "case_id,core,Core,shell\na,1,2,3\n"),
        ("NUL", "\0\0\0"),
        ("no volume", "case_id,age\na,3\n"),
    ):
        yield Bad(f"volumes: {name}", argv, written("volumes.csv", text), "volumes.csv")

"""`neurotarget study …`: make one study from a table of scores or volumes, or from masks."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import FILE, PLACE, Input, Positional, Seed, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.settings import integer
from neurotarget.problems import DataError
from neurotarget.quantity import one_of
from neurotarget.report.sections.raters_section import rater_sentences
from neurotarget.report.text.learning_banner import banner, banner_text
from neurotarget.report.text.sentences import headlines
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.studies.make_study import Questions, Source, levels_of, make_study, own_target
from neurotarget.studies.measured_volumes import from_table
from neurotarget.studies.study_inputs import Material, from_masks, from_run
from neurotarget.sweeps.cross_validation import pooled_folder
from neurotarget.types import Target

SOURCES = ("rows", "masks", "table")
ONLY_WITH = {  # arguments that only some sources accept
    "second": ("masks",),
    "predictions": ("rows",),
    "boxes": ("rows",),
    "manifest": ("rows", "masks"),
    **dict.fromkeys(("labels", "id", "method", "methods", "unit", "reference"), ("table",)),
}
MASKS = Input("folder of masks", Path.is_dir)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    source: Annotated[str, Positional("rows=, masks= or table=")] | None = None
    rows: Annotated[Path, PLACE] | None = None
    masks: Annotated[Path, PLACE] | None = None
    table: tuple[Path, ...] = ()
    manifest: Annotated[Path, PLACE] | None = None
    target: str | None = None
    second: Annotated[Path, MASKS] | None = None
    predictions: Annotated[Path, MASKS] | None = None
    boxes: Annotated[Path, PLACE] | None = None
    labels: tuple[str, ...] = ()
    ask: str = ""
    matters: str | None = None
    acceptable: str = ""
    levels: str = ""
    output: Path | None = None
    overwrite: bool = False
    cases: Annotated[int, integer(0)] = 12
    seed: Seed = 0
    id: str | None = None
    method: str | None = None
    methods: tuple[str, ...] = ()
    unit: str | None = None
    reference: str | None = None
    exclude: Annotated[Path, FILE] | None = None
    trust: bool = False

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        given = [name for name in SOURCES if getattr(self, name)]
        if self.source and not given:
            rows, masks, table = (shlex.quote(f"{kind}={self.source}") for kind in SOURCES)
            raise DataError(
                f"neurotarget study: found {self.source} without its kind; set {rows}, {masks} or "
                f"{table}"
            )
        if self.source:
            raise DataError(
                f"neurotarget study: found {self.source}, wanted arguments such as target=<name>; "
                "`neurotarget study help` shows all"
            )
        if len(given) != 1:
            raise DataError(
                f"neurotarget study: found {' and '.join(given) or 'none of them'}, wanted one of "
                "rows=, masks= and table=; `neurotarget study help` shows how"
            )
        for name, sources in ONLY_WITH.items():
            if getattr(self, name) and given[0] not in sources:
                raise DataError(
                    f"neurotarget study {given[0]}=: {name}= has no meaning here, it belongs to "
                    f"{' or '.join(f'{one}=' for one in sources)}; leave it out"
                )
        if self.masks and not (self.target and self.manifest):
            raise DataError(
                f"neurotarget study masks=: found no {'manifest' if self.target else 'target'}, "
                "wanted both; set manifest=<table of cases> target=<name>"
            )


def run(argv: Sequence[str]) -> int:
    """Make one study and print its headlines; returns exit status 0.

    The recorded command leaves out `trust=`: whoever repeats the study has to decide it again.

    Raises:
        DataError: an argument is invalid or has no meaning for this source, a table or mask cannot
            be read, or the output is not neurotarget's.
    """
    (arguments,) = read_arguments("study", argv, Arguments)
    kind = next(name for name in SOURCES if getattr(arguments, name))
    reader = {"rows": _from_rows, "masks": _from_masks, "table": _from_table}[kind]
    place = pooled_folder(arguments.rows) if arguments.rows else None
    arguments = replace(arguments, rows=place)
    named = [argument for argument in argv if not argument.startswith("trust=")]  # never recorded
    print_study(
        make_study(
            Source(
                next(argument for argument in named if argument.startswith(f"{kind}=")),
                lambda target: reader(arguments, target),
                place if place and place.is_dir() else None,
            ),
            target=load_target(arguments.target, source=arguments.manifest, trust=arguments.trust)
            if arguments.target
            else None,
            questions=Questions(
                arguments.ask, arguments.matters, arguments.acceptable, arguments.levels
            ),
            output=arguments.output,
            exclude=arguments.exclude,
            seed=arguments.seed,
            cases=arguments.cases,
            overwrite=arguments.overwrite,
            command=shlex.join(["neurotarget", "study", *named]),
        )
    )
    return 0


def print_study(done: WrittenStudy) -> None:
    """Print the headlines of a study and the paths of its files.

    Warnings about a network that learned nothing come first. Without a hypothesis an example of
    `ask=` is printed, with a measure of this study.
    """
    if loud := banner_text(banner(done.study.learning)):
        print(f"{loud}\n")
    for line in headlines(done.study):
        print(line)
    for line in rater_sentences(done.study):
        print(line)
    measured = done.study.measured
    if not measured.methods:
        print(f"No case has {one_of(measured.main.name)}: nothing could be measured or tested.")
    elif not measured.target.hypotheses:
        own = measured.measure
        label = "" if own.regions or len(own.labels) == 1 else f"[{own.labels[0]}]"
        claim = f"{measured.main.name}{label} ~ age: any"
        print(f'No hypothesis was given; set one, such as ask="{claim}".')
    for note in done.study.notes:
        print(f"  note: {note}")
    print(f"\nreport  {done.page}\ntables  {done.page.parent / 'study'}")


def _from_rows(arguments: Arguments, target: Target | None) -> Material:
    target = target or own_target(arguments.rows, levels_of(arguments.levels))
    material = from_run(
        arguments.rows,
        manifest=arguments.manifest,
        target=target,
        predictions=arguments.predictions,
    )
    return material._replace(boxes=arguments.boxes)


def _from_masks(arguments: Arguments, target: Target | None) -> Material:
    return from_masks(arguments.masks, arguments.second, manifest=arguments.manifest, target=target)


def _from_table(arguments: Arguments, target: Target | None) -> Material:
    if absent := [path for path in arguments.table if not (path.exists() or path.is_symlink())]:
        raise DataError(f"table: no such file: {absent[0]}; check the path")
    return from_table(
        arguments.table,
        target=target,
        labels=list(arguments.labels) or None,
        reading={
            "levels": levels_of(arguments.levels),
            "id_column": arguments.id,
            "method_column": arguments.method,
            "methods": list(arguments.methods),
            "unit": arguments.unit or "mm3",
        },
        reference=arguments.reference,
    )

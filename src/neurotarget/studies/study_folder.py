"""Write a study to a folder: tables, figures, pictures and the page."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import pandas as pd

from neurotarget.files.ownership import claimed, refuse_foreign
from neurotarget.files.writing import remove, table_text, write_text, written
from neurotarget.report.drawing.figure import saved_svg
from neurotarget.report.figures.named_figures import NamedFigure
from neurotarget.report.figures.study_figures import all_figures
from neurotarget.report.pages.study_page import PageCase, PageFigure, page_html
from neurotarget.report.paper.checklist import claim_table
from neurotarget.report.paper.methods_text import DEFINED, Written, methods_text
from neurotarget.report.sections.plain_page import Code
from neurotarget.report.text.sentences import title_of
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.study.reporting import with_reporting
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.findings import (
    activation_hits_table,
    free_response_curve,
    free_response_table,
)
from neurotarget.studies.brains import with_head_size
from neurotarget.studies.marked_places import activation_hits, film_marks
from neurotarget.studies.pictured_cases import RANKS, load_gallery
from neurotarget.studies.study_inputs import Material

FIGURES = (  # prefixes of figure names
    "flow",
    "effects",
    "residuals",
    *("volumes", "areas", "values", "probabilities"),
    "ages",
    "scatter",
    "bland_altman",
    "parts",
    "free_response",
    *("discrimination", "calibration", "confusion"),
    "dice",
    "failures",
    "sites",
    "training",
)

# optional tables
SOMETIMES = (
    *("volumes", "areas", "values", "probabilities"),
    *("agreement", "age", "curves", "harmonisation"),
    *("label_effects", "parts", "raters", "ceiling", "rater_differences", "means"),
    *("mean_agreement", "people", "flow", "assumptions", "tests", "longitudinal", "noninferiority"),
    *("ranking", "free_response", "free_response_curve", "activation_hits"),
    *("postprocessing", "recalibration", "training"),
)


def write_study(
    material: Material, folder: Path, *, seed: int = 0, cases: int = 12, title: str = ""
) -> WrittenStudy:
    """Compute a study and write tables, figures, pictures and `report.html` into a folder.

    Tables are `study/<name>.tsv`, figures `study/figures/`; `cases` is the number of cases with
    pictures in `pictures/` and in the page's viewer.
    """
    return write_files(study_of(material, seed=seed), material, folder, cases=cases, title=title)


def study_of(material: Material, *, seed: int = 0) -> Study:
    """Compute every table of a cohort, and add those that its run has stored.

    These are the trials and corrections that the run has learned, marks of films, and maps of
    activations. Head size is taken from the scans if groups are compared in volumes without it.
    """
    material = with_head_size(material)
    study = analyse(
        material.measured,
        seed=seed,
        notes=material.notes,
        facts={**material.facts, "study seed": str(seed), "software": software()},
        training=material.training,
        thresholds=material.thresholds,
    )
    counts = {"n_listed": material.n_listed, "n_excluded": material.n_excluded}
    study = with_reporting(study, **counts, people=material.people)
    marked = _free_response(material, seed=seed)
    hits = activation_hits(material)
    if hits is not None:
        marked |= {"activation_hits": activation_hits_table(hits.table, n_missing=hits.n_missing)}
    return replace(study, tables={**study.tables, **marked, **material.stored})


def _free_response(material: Material, *, seed: int) -> dict[str, pd.DataFrame]:
    """Tables of the marks of films, where a finding of films is segmented."""
    marks = film_marks(material)
    if marks is None:
        return {}
    (label,) = material.measured.target.label_names
    return {
        "free_response": free_response_table(marks, label, seed=seed),
        "free_response_curve": free_response_curve(marks, label),
    }


def software() -> str:
    """Return a text with the versions of the software that computes a study, for its facts."""
    names = ("neurotarget", "numpy", "scipy", "pandas", "statsmodels")
    return f"Python {python_version()}, " + ", ".join(f"{one} {version(one)}" for one in names)


def write_files(
    study: Study, material: Material, folder: Path, *, cases: int = 12, title: str = ""
) -> WrittenStudy:
    """Write a computed study; the files of an earlier one in the folder are removed.

    The page is written last, so that it always matches the tables.

    Args:
        study: tables and notes.
        material: scans and masks for pictures.
        folder: claimed for it, created if needed.
        cases: number of cases with pictures; 0 for none.
        title: of the page; "" takes the target's name.

    Raises:
        DataError: it would replace files that neurotarget did not write.
    """
    page = folder / "report.html"
    claimed(folder, older=older_output)
    tables = {name: folder / "study" / f"{name}.tsv" for name in study.tables}
    methods, claim = folder / "study" / "methods.md", folder / "study" / "claim.tsv"
    cited = folder / "study" / "references.bib"
    refuse_foreign([page, *tables.values(), methods, claim, cited])
    _clear(folder, page)
    for name, path in tables.items():
        write_tsv(study.tables[name], path)
    paragraphs = methods_text(study)
    write_text(methods, paragraphs.text)
    write_text(cited, paragraphs.references)
    write_tsv(claim_table(study), claim)
    shown, pictures = saved_figures(all_figures(study), folder / "study" / "figures")
    gallery = load_gallery(study, material, count=cases)
    overlays = [_picture(case, folder / "pictures") for case in gallery.cases if case.png]
    title = title_of(title or material.measured.target.name)
    content = page_html(
        study,
        shown,
        gallery.cases,
        title=title,
        paper=_codes(paragraphs),
        montage=gallery.montage,
    )
    write_text(page, content)
    return WrittenStudy(study, page, tables, list(pictures.values()), overlays)


def _codes(paragraphs: Written) -> list[Code]:
    """Paragraphs and citations as the page shows them, without the definitions that it has too."""
    text = paragraphs.text.partition(f"## {DEFINED}")[0].strip()
    return [
        Code("Methods and results, as in study/methods.md", text),
        Code("Citations, as in study/references.bib", paragraphs.references.strip()),
    ]


def saved_figures(
    figures: Iterable[NamedFigure], folder: Path
) -> tuple[list[PageFigure], dict[str, Path]]:
    """Save figures as SVG and PNG; returns them as a page shows them, and the PNG of each name.

    Figures that could not be drawn are shown as their reason, and have no file.
    """
    shown, pictures = [], {}
    for name, title, caption, figure in figures:
        svg = None
        if figure is not None:
            svg = saved_svg(figure, folder / name)
            pictures[name] = (folder / name).with_suffix(".png")
        shown.append(PageFigure(name, title, caption, svg))
    return shown, pictures


def _clear(folder: Path, page: Path) -> None:
    """Remove an earlier study's page, figures and pictures, which may be of other cases."""
    old = [page, *(folder / "study" / f"{name}.tsv" for name in SOMETIMES)]
    for name in FIGURES:
        old += (folder / "study" / "figures").glob(f"{name}*.[sp][vn]g")
    for rank in RANKS:
        old += (folder / "pictures").glob(f"{rank}_*.png")
    for path in old:
        remove(path)


def _picture(case: PageCase, folder: Path) -> Path:
    path = folder / f"{case.rank}_{case.case_id}.png"
    with written(path) as draft:
        draft.write_bytes(case.png)
    return path


def write_tsv(table: pd.DataFrame, path: Path) -> None:
    """Write a table atomically, with `n/a` for undefined values as in BIDS, and no formula."""
    write_text(path, table_text(table))

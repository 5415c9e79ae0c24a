"""Steps that a run learns on its validation cases after the training, such as postprocessing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.report.sections import postprocessing, recalibration_texts
from neurotarget.report.sections.plain_page import Section
from neurotarget.stats.study.results import Study

Record = Mapping[str, Any]


class Learned(NamedTuple):
    """Functions that format one kind of record.

    A record is the content of a JSON file of the run; facts are the part of a record that goes into
    summary.json. The section is None where the study has no table of this kind.
    """

    line: Callable[[Record], str]  # of a record, for the terminal
    facts: Callable[[Record], dict[str, Any]]  # of a record, for a summary
    text: Callable[[Record], str]  # of facts, for the terminal
    table: Callable[[Record], pd.DataFrame]  # of a record: its trials
    section: Callable[[Study], Section | None]


LEARNED = {  # by the stem of the file, which also names table, section and part of the summary
    "postprocessing": Learned(
        postprocessing.postprocessing_line,
        postprocessing.postprocessing_facts,
        postprocessing.postprocessing_text,
        postprocessing.trials_table,
        postprocessing.postprocessing_section,
    ),
    "recalibration": Learned(
        recalibration_texts.recalibration_line,
        recalibration_texts.recalibration_facts,
        recalibration_texts.recalibration_text,
        recalibration_texts.trials_table,
        recalibration_texts.recalibration_section,
    ),
}

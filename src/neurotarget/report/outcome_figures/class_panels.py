"""Parts shared by figures of predicted classes: their labels, and axes from 0 to 1."""

import numpy as np
from matplotlib.axis import Axis

from neurotarget.number_text import number
from neurotarget.report.drawing.panels import PanelLabels
from neurotarget.report.text.outcome_texts import predicted_labels
from neurotarget.stats.cohort.predicted_classes import Sample
from neurotarget.stats.study.results import Study


def separable_labels(study: Study) -> dict[str, Sample]:
    """Return the predictions of each label that has both positive and negative cases.

    Without both kinds, neither discrimination nor calibration is defined.
    """
    return {
        label: sample
        for _, label, sample in predicted_labels(study)
        if len(np.unique(sample.y)) == 2
    }


def class_panels(study: Study, most: int) -> PanelLabels:
    """Return the first `most` labels, which have a panel, and the number of labels left out."""
    labels = list(separable_labels(study))
    return PanelLabels(labels[:most], max(len(labels) - most, 0))


def mark_shares(*every: Axis) -> None:
    """Set ticks at 0, 0.2, … 1 on axes from 0 to 1, with one decimal."""
    for axis in every:
        axis.set_ticks(np.linspace(0, 1, 6), [number(one, 1) for one in np.linspace(0, 1, 6)])

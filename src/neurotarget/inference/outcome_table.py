"""Form of the table of predicted outcomes."""

import math

from neurotarget.inference.ledger import Form
from neurotarget.types import Target

FILE = "outcomes.tsv"


def outcome_form(target: Target) -> Form:
    """Form of outcomes.tsv, with one column per label, such as `<outcome>_probability`."""
    columns = {
        label: f"{label}_{outcome.quantity}"
        for outcome in target.outcomes
        for label in outcome.labels
    }
    return Form(FILE, columns, digits=6, least=-math.inf)

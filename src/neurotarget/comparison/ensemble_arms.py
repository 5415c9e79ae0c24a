"""Ensembles and soups as further arms of a comparison, without leakage of training cases.

An ensemble averages the outputs of several runs, a soup their weights.
"""

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.comparison.design import unlike_masks
from neurotarget.comparison.gather_runs import Gathered, score_rows
from neurotarget.comparison.read_run import COST_TEXTS, Run
from neurotarget.comparison.shared_outcomes import AVERAGED, are_mixed, averaged_rows
from neurotarget.data.cases.splits import HELD_OUT
from neurotarget.files.hashes import digest, hash_of_text
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.ownership import claim, discard
from neurotarget.files.reading import read_plain
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.prediction_folder import older_predictions
from neurotarget.problems import DataError
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.report.text.numbers import counted, duration
from neurotarget.runs.folder.run_folder import own_cases, weights_path, write_json
from neurotarget.runs.network.objects import build_foreign
from neurotarget.runs.network.run_ensemble import hash_of, load_ensemble, own_weights
from neurotarget.runs.network.task_class import task_class
from neurotarget.scoring import ELEMENTS, VOXELS, distances_by, read_rows, write_rows
from neurotarget.stats.arms.arm_tables import MEASURED, SETTINGS
from neurotarget.stats.arms.arms import NO_SEED, Arms, listed
from neurotarget.studies.study_inputs import read_cases, with_ledger
from neurotarget.types import Case, Manifest

ALL = "all arms"
RECORD = "ensemble.json"
SUMS = ("parameters", "steps", "train_s", "energy_wh")  # costs that are summed over members
SOUPS = (
    "A soup is the mean of the weights of runs that began from different random weights; such "
    "weights may be incompatible, and a soup that segments nothing is then not the fault of a run."
)
COSTS = "The cost of an ensemble or a soup is that of all its members together."


class Plan(NamedTuple):
    """One ensemble or soup; no member was trained on its cases."""

    arm: str
    kind: str  # ensemble | soup
    name: str  # name of the run, `<arm>/fold=<k>`
    fold: int
    seed: int
    members: tuple[str, ...]  # names of runs
    cases: tuple[str, ...]

    @property
    def mode(self) -> str:
        """Return what is averaged: soup for weights, mean for outputs."""
        return "soup" if self.kind == "soup" else "mean"

    @property
    def subfolder(self) -> Path:
        """Return the path of this ensemble below the output folder."""
        return Path(*map(_file_name, self.name.rsplit("/", 1)))

    @property
    def passes(self) -> int:
        """Return the number of forward passes of cases: one per member, or one for a soup."""
        return len(self.cases) * (1 if self.kind == "soup" else len(self.members))


def plan_ensembles(arms: Arms) -> list[Plan]:
    """Return every ensemble and soup that the trained networks allow without leakage.

    A case is predicted only by runs that have held it out: by the ensemble of such runs of each arm
    (if there are at least two), by the soup of runs with equal test cases, and by the ensemble over
    all arms for each fold and seed.
    """
    nets = arms.runs[arms.runs["kind"] == "net"]
    held_out = arms.scores.groupby("run")["case_id"].unique()
    tested = {run: frozenset(held_out[run]) for run in nets.index}
    plans = []
    for arm, rows in nets.groupby("arm", sort=False):
        own = {run: tested[run] for run in rows.index}
        for kind, groups in (("ensemble", _by_case(own)), ("soup", _by_test_set(own))):
            plans += [
                _plan(f"{arm} {kind}", kind, members, cases, nets)
                for members, cases in groups.items()
                if len(members) > 1
            ]
    if nets["arm"].nunique() > 1:
        for (fold, seed), rows in nets.groupby(["fold", "seed"]):
            cases = frozenset.intersection(*(tested[run] for run in rows.index))
            plan = _plan(f"{ALL} ensemble", "ensemble", tuple(rows.index), cases, nets)
            name = f"{plan.arm}/fold={fold},seed={seed}"
            plans += [plan._replace(name=name, fold=int(fold), seed=int(seed))]
    return plans


def with_ensembles(
    gathered: Gathered,
    output: Path,
    *,
    device: str = "auto",
    make: Callable[..., Any] = build_foreign,
) -> Gathered:
    """Add ensembles and soups as arms; predictions and rows are stored below `output`.

    Results of an earlier call with the same weights are reused. Missing scans or masks, and
    networks that cannot be combined, are reported in notes. Runs of different tasks are joined by
    the mean of the probabilities in their rows, without a prediction.

    Args:
        gathered: arms and their runs.
        output: folder, created if needed.
        device: for predictions; auto takes the first GPU.
        make: builds objects from the configs of the runs; the default refuses code outside
            neurotarget.
    """
    plans = plan_ensembles(gathered.arms)
    if not plans:
        reason = "There are no ensembles: no case was held out by two runs."
        return gathered._replace(notes=(*gathered.notes, reason))
    if are_mixed(list(gathered.runs.values())):
        return _averaged(gathered, plans)
    if older := [name for name, run in gathered.runs.items() if distances_by(run.rows) == VOXELS]:
        reason = (
            f"There are no ensembles: distances of {listed(older)} are by {VOXELS}, from an "
            f"older version; score them again with neurotarget evaluate, by {ELEMENTS}."
        )
        return gathered._replace(notes=(*gathered.notes, reason))
    cases, missing = _cases(gathered.runs.values())
    wanted = {case for plan in plans for case in plan.cases}
    if unusable := sorted(wanted - cases.keys() | wanted & missing):
        number = counted(len(unusable), "case")
        reason = f"There are no ensembles: scans or masks of {number} are missing "
        return gathered._replace(notes=(*gathered.notes, f"{reason}({listed(unusable)})."))
    makers = [
        Maker(plan, gathered, cases, folder=output / plan.subfolder, device=device, make=make)
        for plan in plans
    ]
    print(cost_sentence(makers), flush=True)
    arms, notes = gathered.arms, []
    for maker in makers:
        try:
            with within_memory("its cases", "close other programs, or set ensembles=false"):
                rows = maker.rows()
        except DataError as error:
            notes.append(f"There is no {maker.plan.name}: {' '.join(str(error).split())}.")
            continue
        arms = _with_arm(arms, maker.plan, rows, maker.cost())
    kinds = set(arms.kinds.values())
    notes += [text for kind, text in (("ensemble", COSTS), ("soup", SOUPS)) if kind in kinds]
    return gathered._replace(arms=arms, notes=(*gathered.notes, *dict.fromkeys(notes)))


def _averaged(gathered: Gathered, plans: Sequence[Plan]) -> Gathered:
    """Add ensembles as means of the probabilities in the rows of their runs."""
    arms, target = gathered.arms, gathered.arms.target
    for plan in plans:
        if plan.kind == "ensemble":
            runs = [gathered.runs[name] for name in plan.members]
            cost = joint_cost(runs, is_soup=False, seconds=None)
            arms = _with_arm(arms, plan, averaged_rows(runs, plan.cases, target), cost)
    return gathered._replace(arms=arms, notes=(*gathered.notes, AVERAGED, COSTS))


class Maker:
    """One planned ensemble and the folder of its predictions and rows."""

    def __init__(
        self,
        plan: Plan,
        gathered: Gathered,
        cases: Mapping[str, Case],
        *,
        folder: Path,
        device: str,
        make: Callable[..., Any],
    ) -> None:
        self.plan, self.folder, self.device, self.make = plan, folder, device, make
        self.runs = [gathered.runs[name] for name in plan.members]
        self.cases = [cases[case] for case in plan.cases]
        self.target = gathered.arms.target

    @property
    def weights(self) -> list[str]:
        """Return the weights that each member uses, best or last, in the order of members."""
        return [own_weights(run.folder) for run in self.runs]

    @property
    def is_possible(self) -> bool:
        """Return whether the weights of all members exist."""
        try:
            return bool(self.identity)
        except DataError:
            return False

    @property
    def is_done(self) -> bool:
        """Return whether the folder has rows of the same weights and cases."""
        record = read_plain(self.folder / RECORD)
        has_rows = (self.folder / "rows.csv").is_file()
        wanted = self.identity
        return has_rows and all(record.get(key) == value for key, value in wanted.items())

    def rows(self) -> pd.DataFrame:
        """Return the scores of the ensemble on its cases, from the folder or computed now.

        Columns are those of rows.csv. A case whose prediction fails counts as failed, and is tried
        again by the next call.

        Raises:
            DataError: members are missing or cannot be combined, or a mask is unusable or differs
                from the one that members were scored against.
        """
        if not self.is_done:
            self._make()
        rows = read_rows(self.folder / "rows.csv")
        if unlike := sorted({case for run in self.runs for case in unlike_masks(run.rows, rows)}):
            (self.folder / RECORD).unlink(missing_ok=True)
            raise DataError(
                f"masks of {counted(len(unlike), 'case')} have changed since its runs were scored "
                f"({listed(unlike)}); score the runs against the same masks, or train them again"
            )
        return with_ledger(rows, self.folder / "predictions")

    def _make(self) -> None:
        """Predict and score the cases; failed cases are counted, and are tried again next time."""
        predictions = self.folder / "predictions"
        predictor, made_by = load_ensemble(
            [run.folder for run in self.runs],
            mode=self.plan.mode,
            weights=self.weights,
            device=self.device,
            make=self.make,
        )
        if read_plain(predictions / "prediction.json").get("weights") not in (None, made_by):
            claim(predictions, older=older_predictions)
            discard(predictions)
        is_new = not any(predictions.glob("*.nii.gz"))
        began = time.perf_counter()
        outcomes = predict_all(predictor, self.cases, predictions, made_by=made_by)
        seconds = (time.perf_counter() - began) / len(self.cases)
        label_ids = self.runs[0].summary.get("label_ids") or None
        manifest = Manifest(tuple(self.cases), self.folder, label_ids)
        splits = {case.case_id: case.split or "test" for case in self.cases}
        task = task_class(self.runs[0].config, make=self.make)
        rows = task.rows(manifest, predictions, self.target, splits, which=HELD_OUT)
        write_rows(rows, self.folder / "rows.csv")
        if all(outcome.status == "done" for outcome in outcomes):
            record = {**self.identity, "predict_s_per_case": round(seconds, 3) if is_new else None}
            write_json(self.folder / RECORD, record)

    def cost(self) -> dict[str, Any]:
        """Return the columns of cost for all members together, as `joint_cost` does."""
        seconds = read_plain(self.folder / RECORD).get("predict_s_per_case")
        return joint_cost(self.runs, is_soup=self.plan.kind == "soup", seconds=seconds)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Return everything that the rows depend on: weights, configs, cases, kind of distances.

        Rows of an earlier call are reused only if all of it is equal. Learned post-processing and
        recalibration count, where a member has some.

        Raises:
            DataError: the weights of a member do not exist.
        """
        hashes = [
            digest(weights_path(run.folder, which))
            for run, which in zip(self.runs, self.weights, strict=True)
        ]
        steps = {}
        for name in LEARNED:
            learned = [read_plain(run.folder / f"{name}.json").get("steps") for run in self.runs]
            steps |= {name: learned} if any(learned) else {}
        configs = sorted((run.folder / "config.yaml").read_text("utf-8") for run in self.runs)
        return {
            "distances": ELEMENTS,
            "weights": hash_of(hashes, self.plan.mode),
            "configs": hash_of_text("\n".join(configs)),
            "runs": list(self.plan.members),
            "cases": list(self.plan.cases),
            **steps,
        }


def joint_cost(runs: Sequence[Run], *, is_soup: bool, seconds: float | None) -> dict[str, Any]:
    """Return the columns of cost of runs together.

    Parameters, steps, training time and energy are sums over the runs; a soup has the parameters of
    one network. A setting that differs between runs is NaN or "". `seconds` is the time for the
    prediction of one case, s; None if unknown.
    """
    costs = [run.cost for run in runs]
    whole: dict[str, Any] = dict.fromkeys(MEASURED, math.nan) | dict.fromkeys(COST_TEXTS, "")
    whole |= {name: sum(cost[name] for cost in costs) for name in SUMS}
    if is_soup:
        whole["parameters"] = costs[0]["parameters"]
    for name in SETTINGS:
        values = {repr(cost[name]): cost[name] for cost in costs}
        unknown = "" if isinstance(costs[0][name], str) else math.nan
        whole[name] = costs[0][name] if len(values) == 1 else unknown
    return whole | {"predict_s_per_case": math.nan if seconds is None else float(seconds)}


def cost_sentence(makers: Sequence[Maker]) -> str:
    """Return a sentence on the predictions to make and their estimated time.

    Finished ensembles and ensembles with missing weights are not counted.
    """
    possible = [maker for maker in makers if maker.is_possible]
    pending = [maker for maker in possible if not maker.is_done]
    if not pending:
        return f"{len(possible)} of {counted(len(makers), 'ensemble')} already exist"
    passes = sum(maker.plan.passes for maker in pending)
    seconds = sum(
        maker.plan.passes * fmean(run.cost["predict_s_per_case"] for run in maker.runs)
        for maker in pending
    )
    length = "" if math.isnan(seconds) else f", about {duration(seconds)} at the speed of the runs"
    return (
        f"{counted(len(pending), 'ensemble')} to predict: {counted(passes, 'prediction')} of a "
        f"case{length}; ensembles=false skips them, finished ones are kept"
    )


def _by_case(tested: Mapping[str, frozenset[str]]) -> dict[tuple[str, ...], list[str]]:
    """Group cases by the runs that have held them out."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for case in sorted(set().union(*tested.values())):
        groups[tuple(run for run, cases in tested.items() if case in cases)].append(case)
    return groups


def _by_test_set(tested: Mapping[str, frozenset[str]]) -> dict[tuple[str, ...], list[str]]:
    """Group runs by their test set."""
    runs: dict[frozenset[str], list[str]] = defaultdict(list)
    for run, cases in tested.items():
        runs[cases].append(run)
    return {tuple(members): sorted(cases) for cases, members in runs.items()}


def _plan(
    arm: str, kind: str, members: tuple[str, ...], cases: Sequence[str], nets: pd.DataFrame
) -> Plan:
    folds = sorted({int(nets.loc[run, "fold"]) for run in members})
    name = f"{arm}/fold={'+'.join(map(str, folds))}"
    return Plan(arm, kind, name, folds[0], NO_SEED, members, tuple(sorted(cases)))


def _cases(runs: Sequence[Run]) -> tuple[dict[str, Case], set[str]]:
    """Read the test cases of runs from their cases.tsv, and list cases with missing files."""
    by_id: dict[str, Case] = {}
    missing = set()
    for run in runs:
        try:
            manifest, _ = read_cases(own_cases(run.folder), run.target, need_files=False)
        except (DataError, OSError):
            continue
        for case in manifest.cases:
            known = by_id.get(case.case_id, case)  # another arm may use other contrasts
            images = {**case.images, **known.images}
            by_id[case.case_id] = replace(known, images=images)
            files = [*images.values(), *([case.label] if case.label else [])]
            if not images or not all(Path(path).is_file() for path in files):
                missing.add(case.case_id)
    return by_id, missing


def _with_arm(arms: Arms, plan: Plan, rows: pd.DataFrame, cost: Mapping[str, Any]) -> Arms:
    fold_and_seed = (plan.fold, plan.seed)
    scores = score_rows(rows, arm=plan.arm, kind=plan.kind, run=plan.name, slot=fold_and_seed)
    if "parts" not in arms.runs:
        arms = replace(arms, runs=arms.runs.assign(parts=""))
    row = {"arm": plan.arm, "kind": plan.kind, "fold": plan.fold, "seed": plan.seed, **cost}
    runs = pd.DataFrame([row], index=pd.Index([plan.name], name="run"))
    runs = runs.reindex(columns=arms.runs.columns).astype(arms.runs.dtypes)
    runs["parts"] = "\n".join(dict.fromkeys(arms.runs.loc[list(plan.members), "arm"]))
    return replace(
        arms,
        scores=pd.concat([arms.scores, scores], ignore_index=True),
        runs=pd.concat([arms.runs, runs]),
    )


def _file_name(name: str) -> str:
    """Return a portable file name; if characters are replaced, a hash keeps names distinct."""
    plain = re.sub(r"[^\w.,=+-]+", "_", name).strip(".")[:80]
    return plain if plain == name.replace(" ", "_") else f"{plain}-{hash_of_text(name, 6)}"

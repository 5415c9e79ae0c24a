"""Permitted values of the settings of jobs that train nothing."""

from neurotarget.cli.settings import (
    BRANCH,
    FLAG,
    REAL,
    TEXT,
    either,
    integer,
    listed,
    number,
    one_of,
    optional,
)

HANDEDNESS = one_of("auto", 1, -1, "1", "-1")
STEPS = either(TEXT, listed(TEXT))  # of a reconstruction
PLAIN_TEXT = optional(TEXT)
RECONSTRUCTION = {
    "reconstruction": optional(BRANCH),
    **dict.fromkeys((f"reconstruction.{key}" for key in ("unwrap", "background")), STEPS),
    **dict.fromkeys((f"reconstruction.{key}" for key in ("inversion", "high_pass")), STEPS),
    "reconstruction.phase_mask": STEPS,
    "reconstruction.all_pairs": FLAG,
    "reconstruction.weighted_edges": FLAG,
    "reconstruction.maps": FLAG,
    "reconstruction.reference": one_of("brain", "none"),
    "reconstruction.handedness": HANDEDNESS,
    "reconstruction.people_per_site": integer(1, 10**6),
    "reconstruction.mask": TEXT,
    "reconstruction.phase_scale": TEXT,
    "reconstruction.suffix": optional(TEXT),
    "reconstruction.device": TEXT,
    "reconstruction.pictures": integer(0, 10_000),
    "reconstruction.window": listed(number(-100, 100), 2, rising=True),
    "reconstruction.published": listed(BRANCH),
    "reconstruction.mask_power": number(0, 100, above=True),
    "reconstruction.mip_mm": number(0, 1000),
    "reconstruction.high_pass_mm": number(0, 1000, above=True),
    "reconstruction.window_vox": integer(2, 4096),
}
SURVIVAL = {
    "survival": optional(BRANCH),
    "survival.run": optional(either(TEXT, listed(TEXT))),
    **dict.fromkeys((f"survival.{key}" for key in ("masks", "table", "external")), PLAIN_TEXT),
    **dict.fromkeys((f"survival.{key}" for key in ("time", "event", "id", "group")), PLAIN_TEXT),
    **dict.fromkeys((f"survival.{key}" for key in ("where", "external_where")), PLAIN_TEXT),
    "survival.event_is": optional(either(TEXT, REAL)),
    "survival.unit": one_of("days", "weeks", "months", "years"),
    "survival.clinical": listed(TEXT),
    "survival.image": listed(TEXT),
    "survival.sets": BRANCH,
    "survival.sets.*": listed(TEXT),
    "survival.model": one_of("cox", "linear", "forest"),
    "survival.months": listed(number(0, 600, above=True), rising=True),
    "survival.folds": integer(0, 50),
    "survival.repeats": integer(1, 100),
    "survival.matters": number(0, 0.5),
    "survival.names": BRANCH,
    "survival.names.*": TEXT,
}
RADIOMICS = {
    "radiomics": optional(BRANCH),
    "radiomics.outcome": TEXT,
    "radiomics.positive": optional(either(TEXT, REAL)),
    **dict.fromkeys((f"radiomics.{key}" for key in ("time", "id", "site", "where")), PLAIN_TEXT),
    **dict.fromkeys(
        (f"radiomics.{key}" for key in ("table", "masks", "second", "external")), PLAIN_TEXT
    ),
    "radiomics.stable": number(0, 1),
    "radiomics.external_where": PLAIN_TEXT,
    "radiomics.unit": one_of("days", "weeks", "months", "years"),
    **dict.fromkeys((f"radiomics.{key}" for key in ("clinical", "image")), listed(TEXT)),
    **dict.fromkeys(
        (f"radiomics.{key}" for key in ("contrasts", "parts", "perturb")), listed(TEXT)
    ),
    "radiomics.measure": BRANCH,
    "radiomics.measure.*": optional(either(REAL, FLAG, TEXT, listed(either(REAL, TEXT)))),
    "radiomics.workers": integer(1, 256),
    **dict.fromkeys(
        (f"radiomics.{key}" for key in ("combat", "by_site", "balance", "number")), FLAG
    ),
    "radiomics.model": optional(
        one_of("logistic", "elastic_net", "svm", "forest", "boosting", "cox", "ridge")
    ),
    "radiomics.select": one_of("univariate", "mrmr", "lasso", "none"),
    "radiomics.features": integer(1, 1000),
    "radiomics.correlation": number(0, 1, above=True),
    "radiomics.folds": integer(2, 50),
    "radiomics.repeats": integer(1, 100),
    "radiomics.permutations": integer(0, 10_000),
    "radiomics.matters": number(0, 0.5),
    "radiomics.names": BRANCH,
    "radiomics.names.*": TEXT,
}

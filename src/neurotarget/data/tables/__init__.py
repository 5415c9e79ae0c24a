"""Tables that people keep: covariates, ids, volumes measured elsewhere."""

"""Tables of users: covariates, ids, volumes measured elsewhere."""

"""`hydra/sweeper=neurotarget_optuna`: a search with Optuna under Hydra's multirun."""

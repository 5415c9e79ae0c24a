"""Record, figures and page of a hyperparameter search."""

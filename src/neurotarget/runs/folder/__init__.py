"""Content of run and multirun folders, and who may write there."""

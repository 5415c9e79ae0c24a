"""What lies in a run folder or the folder of a multirun, and who may write there."""

"""What a run logs: scores, cost, energy; CSV and W&B."""

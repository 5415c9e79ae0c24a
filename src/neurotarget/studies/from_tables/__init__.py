"""Studies whose people and measurements come in one table."""

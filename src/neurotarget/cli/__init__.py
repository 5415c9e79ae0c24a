"""Entry points: the only readers of configs, argv and the clock."""

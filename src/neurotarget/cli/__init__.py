"""Commands: the only readers of Hydra configurations, command-line arguments and the clock."""

from neurotarget.process.waiting import choose_wait_policy

choose_wait_policy()  # torch, which these modules import, reads it once

"""Commands, which read arguments and Hydra configurations, call other rooms and print results."""

from neurotarget.process.waiting import choose_wait_policy

choose_wait_policy()  # an environment variable, which torch reads once, when it is imported

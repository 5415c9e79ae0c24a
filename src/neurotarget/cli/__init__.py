"""Entry points: the only readers of configs, argv and the clock."""

from neurotarget.process.waiting import choose_wait_policy

choose_wait_policy()  # torch reads it when it is loaded, which every module of this room does

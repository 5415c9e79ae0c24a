"""The script `neurotarget`, as is `python -m neurotarget`."""

from importlib import import_module

from neurotarget.process.signals import quit_while_loading


def main() -> None:
    """Load what the command line needs, for seconds in which it can be stopped, and run it."""
    quit_while_loading()
    import_module("neurotarget.cli.main").main()


if __name__ == "__main__":
    main()

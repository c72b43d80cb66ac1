"""The ``causalmod`` command: parse, call the public names, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from causalmod.errors import CausalmodError

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130

__all__ = ["BAD_INPUT", "DONE", "INTERRUPTED", "main", "run"]


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input, 130 interrupted.

    Args:
        arguments: what stands after ``causalmod`` on the command line.
    """
    import typer

    from causalmod.cli.app import app
    from causalmod.cli.terminal import complain

    try:
        typer.main.get_command(app).main(args=list(arguments), prog_name="causalmod")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except CausalmodError as error:
        complain(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))

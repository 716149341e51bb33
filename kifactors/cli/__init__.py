"""The command line (extra ``cli``)."""

import sys

from kifactors.errors import KifactorsError

__all__ = ["main"]

BAD_DATA = 1


def main() -> None:
    """Run the command line: 0 done, 1 bad data, 2 wrong usage; a traceback only with ``--debug``."""
    try:
        # The module of the last commands; it has all of them on its app.
        from kifactors.cli._explain import app
    except ImportError as error:
        print(f"the command line needs {error.name}: pip install 'kifactors[cli]'", file=sys.stderr)
        sys.exit(BAD_DATA)
    # Accepted anywhere on the line, as people add it after a failure.
    debug = "--debug" in sys.argv
    try:
        app([argument for argument in sys.argv[1:] if argument != "--debug"])
    except KifactorsError as error:
        if debug:
            raise
        print(f"kifactors: {error}", file=sys.stderr)
        sys.exit(BAD_DATA)

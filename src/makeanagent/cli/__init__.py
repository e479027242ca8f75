"""The command line: verbs only; everything heavy is imported inside the verbs."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import tyro

from makeanagent.cli.convert import Convert
from makeanagent.cli.demo import Demo
from makeanagent.cli.evaluate import Evaluate
from makeanagent.cli.export import Export
from makeanagent.cli.generate import Generate
from makeanagent.cli.record import Record
from makeanagent.cli.train import Train
from makeanagent.cli.web import Web
from makeanagent.cli.zoo import ZooCommand, find_options
from makeanagent.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return the exit code: 0, 2 for a user's mistake, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        from makeanagent import __version__

        print(f"make-an-agent {__version__}")
        return 0
    about = "One demonstration in, working policy networks out."
    return run_verb(_find_verbs, "make-an-agent", about, arguments)


def _find_verbs(arguments: list[str]) -> Any:  # noqa: ANN401
    # A type with options is slow to look at, and the list of verbs shows none.
    zoo: Any = ZooCommand
    if arguments not in (["--help"], ["-h"]):
        zoo = ZooCommand[find_options(arguments)]  # type: ignore[misc]
    return (
        Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Record, tyro.conf.subcommand("record")]
        | Annotated[Convert, tyro.conf.subcommand("convert")]
        | Annotated[Generate, tyro.conf.subcommand("generate")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[Web, tyro.conf.subcommand("web")]
        | Annotated[zoo, tyro.conf.subcommand("zoo")]
        | Annotated[Train, tyro.conf.subcommand("train")]
    )


def run_verb(
    find_verbs: Callable[[list[str]], Any],
    prog: str,
    description: str,
    arguments: list[str],
) -> int:
    """Parse a verb, run it, and return the exit code as `main` does.

    Args:
        find_verbs: gives the types of verbs that there are for the command line's arguments.
        prog: the program's name.
        description: what it is for.
        arguments: of the command line.
    """
    verb: Any = None
    try:
        # Python's own start-up may fail halfway on Ctrl-C, hence within the guard.
        verb = tyro.cli(
            find_verbs(arguments),
            prog=prog,
            description=description,
            args=arguments,
            config=(tyro.conf.OmitSubcommandPrefixes,),
        )
        verb.run()
    except InputError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has seen enough (`| head`); nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        # A name that is too long, a full disk, a file that may not be read.
        name = str(error.filename or "")[:200]
        print(f"{prog}: error: {name}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # What goes on where it was says so by having finished parts; other verbs write at the end.
        goes_on = getattr(verb, "goes_on", True)
        kept = "nothing that was finished is lost" if goes_on else "nothing was written"
        print(f"{prog}: interrupted; {kept}", file=sys.stderr)
        return 130
    return 0

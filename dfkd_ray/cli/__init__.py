"""The command line. Nothing heavy is imported before a command needs it, so `--help` answers at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dfkd_ray import __version__
from dfkd_ray.cli.bars import bar
from dfkd_ray.cli.printing import say
from dfkd_ray.util.errors import ConfigError, DfkdError, StudyError
from dfkd_ray.util.files import why
from dfkd_ray.util.progress import displayed

app = typer.Typer(
    name="dfkd-ray",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The laboratory for data-free knowledge distillation.",
    epilog="Exit codes: 0 done; 2 bad input; 3 a study ended, but trials failed or none is complete; 130 interrupted.",
)
_debug = False


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _of(version: str | None) -> None:
    """A job says which dfkd-ray has sent it."""
    if version not in (None, __version__):
        raise StudyError(f"the cluster has dfkd-ray {__version__}, the job was sent by {version}: it takes its own")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    of: Annotated[str | None, typer.Option("--of", callback=_of, is_eager=True, hidden=True)] = None,
) -> None:
    global _debug
    _debug = debug


def main() -> None:
    """Entry point: errors that dfkd-ray raises on purpose become one message and exit code 2, as wrong usage does, or 3
    where a study came to nothing. So do those of files: a folder that nobody may write to, a full disk.
    """
    try:
        with displayed(bar):
            app(prog_name="dfkd-ray")
    except (DfkdError, OSError) as error:
        if _debug:
            raise
        say(f"error: {_message(error)}", err=True)
        sys.exit(getattr(error, "exit_code", DfkdError.exit_code))


def _message(error: Exception) -> str:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return "\n  ".join([f"{len(error.problems)} mistakes", *map(str, error.problems)])
    return why(error) if isinstance(error, OSError) else str(error)


from dfkd_ray.cli import (  # noqa: E402  they add their commands to `app`
    catalogue,  # noqa: F401
    compare,  # noqa: F401
    data,  # noqa: F401
    evaluate,  # noqa: F401
    explain,  # noqa: F401
    export,  # noqa: F401
    job,  # noqa: F401
    page,  # noqa: F401
    pool,  # noqa: F401
    prune,  # noqa: F401
    repair,  # noqa: F401
    reproduce,  # noqa: F401
    rm,  # noqa: F401
    run,  # noqa: F401
    simulate,  # noqa: F401
    status,  # noqa: F401
    study,  # noqa: F401
    submit,  # noqa: F401
    synthesize,  # noqa: F401
    teach,  # noqa: F401
    teach_diffusion,  # noqa: F401
    teachers,  # noqa: F401
)

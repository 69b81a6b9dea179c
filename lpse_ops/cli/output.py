"""Results to stdout, progress and errors to stderr; and the one place where errors become exit codes."""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lpse_ops.errors import InternalError, LpseError, UsageError
from lpse_ops.i18n import _
from lpse_ops.state import state_folder

INTERRUPTED = 130
BROKEN_PIPE = 141
SLOW_S = 1.0

_mode = {"output": "text"}


class _ReaderGone(Exception):
    """Whoever read our stdout has closed it."""


def use(mode: str) -> None:
    """Given ``text`` or ``json``, print results that way from now on."""
    _mode["output"] = mode


def is_json() -> bool:
    """Return whether results are printed as JSON."""
    return _mode["output"] == "json"


def emit(data: object, text: str | Callable[[], object] | object | None = None) -> None:
    """Print one result to stdout: `data` with ``--output json``, else `text`.

    `data` is what `json.dumps` takes (paths, enums and dates become strings). `text` is a string, a function
    that returns one (called only when needed), or anything rich can render (a Table); None prints `data` as
    JSON in both modes.
    """
    shown = data if is_json() or text is None else (text() if callable(text) else text)
    try:
        if is_json() or text is None:
            sys.stdout.write(json.dumps(shown, ensure_ascii=False, indent=2, default=str) + "\n")
        elif isinstance(shown, str):
            sys.stdout.write(shown.rstrip("\n") + "\n")
        else:
            from rich.console import Console

            Console(file=sys.stdout, markup=False, highlight=False).print(shown)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _ReaderGone from error


def progress(message: str) -> None:
    """Print one line about what is going on to stderr."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def said_if_slow(message: str) -> Iterator[None]:
    """Print `message` to stderr if what is done meanwhile takes longer than a second; never with ``--output json``."""
    timer = threading.Timer(SLOW_S, progress, [message])
    timer.daemon = True
    if not is_json():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def confirm(question: str, *, yes: bool) -> bool:
    """Given a question, return whether the person at the terminal agrees; with `yes` do not ask.

    Without a terminal nobody can agree: raise UsageError with the hint to pass ``--yes``.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            _("This needs a confirmation, and there is no terminal to ask at."),
            hint=_("Run it at a terminal, or pass --yes if you are sure."),
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip().lower() in {"y", "yes", "ya"}


def ask_text(question: str, given: str | None) -> str | None:
    """Given a question and an answer from the command line (None: none), return what a person types at the terminal.

    None where there is no terminal, or nothing was typed.
    """
    if given is not None or not sys.stdin.isatty():
        return given
    print(f"{question} ", end="", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip() or None


def run_cli(argv: Sequence[str]) -> int:
    """Given the arguments without the program's name, run the command and return its exit code; raise nothing."""
    from typer.exceptions import Exit, TyperException

    from lpse_ops.cli import app

    use("json" if _wants_json(argv) else "text")
    try:
        command = app.build()
        if os.environ.get("_LPSE_OPS_COMPLETE"):
            command.main(list(argv), prog_name=app.PROGRAM)
        with command.make_context(app.PROGRAM, list(argv)) as context:
            result = command.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except Exit as done:
        return done.exit_code
    except TyperException as error:
        return _usage(error)
    except LpseError as error:
        return _report(error)
    except KeyboardInterrupt:
        return _interrupted()
    except _ReaderGone:
        return _quiet()
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person never meets a traceback
        if isinstance(error, BrokenPipeError) and _stdout_is_gone():
            return _quiet()
        return _report(_crash(error))


def _wants_json(argv: Sequence[str]) -> bool:
    own = list(argv[: argv.index("--")] if "--" in argv else argv)
    return "--output=json" in own or ("--output", "json") in pairwise(own)


def _usage(error: Any) -> int:
    """Show an error of the command line's own parser (exit 2)."""
    if is_json():
        _write_error(
            {"message": error.format_message(), "reasons": [], "hint": "", "exit_code": error.exit_code}
        )
    else:
        error.show(file=sys.stderr)
    return int(error.exit_code)


def _report(error: LpseError) -> int:
    """Show an error in the way the person or program asked for; return its exit code."""
    if is_json():
        _write_error(
            {
                "type": type(error).__name__,
                "message": error.message,
                "reasons": list(error.reasons),
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
        )
        return error.exit_code
    lines = [_("Error: %(message)s") % {"message": error.message}]
    lines += [f"  - {reason}" for reason in error.reasons]
    if error.hint:
        lines.append(_("What to do: %(hint)s") % {"hint": error.hint})
    progress("\n".join(lines))
    return error.exit_code


def _write_error(error: dict[str, object]) -> None:
    try:
        sys.stdout.write(json.dumps({"error": error}, ensure_ascii=False, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _quiet()


def _crash(error: Exception) -> InternalError:
    """Given an exception nobody foresaw, write it to a crash file and return the error to show instead."""
    text = f"{sys.version}\n" + "".join(traceback.format_exception(error))
    name = time.strftime("crash-%Y%m%dT%H%M%S") + f"-{os.getpid()}.txt"
    summary = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
    for folder in (state_folder() / "crashes", Path("/tmp")):  # noqa: S108 - the last resort, file made exclusively
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / name
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            continue
        return InternalError(
            _("A fault in lpse-ops itself: %(summary)s") % {"summary": summary},
            hint=_("Details are in %(path)s; send that file with your report.") % {"path": path},
        )
    return InternalError(_("A fault in lpse-ops itself: %(summary)s") % {"summary": summary})


def _interrupted() -> int:
    message = _("Interrupted. What was begun may be unfinished.")
    hint = _("`lpse-ops status` shows where things stand; an interrupted run goes on with `lpse-ops resume`.")
    if is_json():
        _write_error({"message": message, "reasons": [], "hint": hint, "exit_code": INTERRUPTED})
    else:
        progress("\n" + message + "\n" + _("What to do: %(hint)s") % {"hint": hint})
    return INTERRUPTED


def _stdout_is_gone() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def _quiet() -> int:
    """End without a word when the reader of stdout has gone, as `head` does to its feeder."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return BROKEN_PIPE

"""From what a verb left behind (exit code, stdout, stderr) to a reply or to the error it stands for."""

import json
from collections.abc import Sequence
from typing import Any

from lpse_ops.errors import InternalError, LockHeld, LpseError, Refused, StepFailed, UnreachableError
from lpse_ops.i18n import _

LAST_WORDS = frozenset({"reasons", "error", "holder"})
"""Keys of a reply that is the last one of its verb: the exit code says which error it is."""


def parse_reply(host: str, verb: str, text: str) -> dict[str, Any]:
    """Given the one line that a verb printed, return it as a dict.

    Raise InternalError if it is not a JSON object.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise InternalError(
            _("lpse-node %(verb)s on %(host)s answered something that is not its JSON: %(text)s")
            % {"verb": verb, "host": host, "text": _short(text) or _("(nothing)")},
            hint=_("Install this version's lpse-node: lpse-ops provision %(host)s") % {"host": host},
        )
    return data


def error_for(host: str, verb: str, exit_code: int, stdout: str, stderr: str) -> LpseError:
    """Given what a failed verb left behind, return the error to raise (exit codes of ``lpse-node``)."""
    special = _before_the_verb(host, exit_code, stdout, stderr)
    if special is not None:
        return special
    data = _lenient(stdout)
    told = str(data.get("error") or _short(stderr) or _("no reason given"))
    at = {"host": host, "verb": verb, "told": told}
    if exit_code == 3:
        reasons = _reasons(data) or (told,)
        return Refused(_("%(host)s refuses '%(verb)s'.") % at, reasons=reasons)
    if exit_code == 6:
        holder = {
            "holder": data.get("holder") or "?",
            "run": data.get("run") or "?",
            "since": data.get("since") or "?",
        }
        held = LockHeld(
            _("Another run holds the lock on %(host)s: %(holder)s, run %(run)s, since %(since)s.")
            % (at | holder),
            hint=_(
                "Wait for it, or end it on the machine where it runs; the lock is freed with its connection."
            ),
        )
        held.run = str(data["run"]) if data.get("run") else None
        return held
    if exit_code == 2:
        return InternalError(
            _("%(host)s does not understand 'lpse-node %(verb)s': %(told)s") % at,
            hint=_("Install this version's lpse-node: lpse-ops provision %(host)s") % at,
        )
    return StepFailed(_("'%(verb)s' failed on %(host)s: %(told)s") % at, reasons=_reasons(data))


def reply_lost(host: str, verb: str, why: str) -> UnreachableError:
    """Return the error for a verb whose reply never came: it may or may not have done its work."""
    return UnreachableError(
        _("%(host)s: the reply to '%(verb)s' was lost (%(why)s); whether it was carried out is unknown.")
        % {"host": host, "verb": verb, "why": why},
        hint=_("Look again (lpse-ops status) before you repeat it."),
    )


def _before_the_verb(host: str, exit_code: int, stdout: str, stderr: str) -> LpseError | None:
    """sudo and the shell use exit codes of their own; they are told apart by what they say."""
    at = {"host": host}
    if exit_code == 1 and not stdout.strip() and "sudo:" in stderr:
        return Refused(
            _("sudo on %(host)s refuses lpse-node to the user lpse-hot: %(why)s")
            % (at | {"why": _short(stderr)}),
            hint=_("Restore the sudo rule: lpse-ops provision %(host)s") % at,
        )
    if exit_code in (126, 127) or (exit_code == 1 and "command not found" in stderr):
        return Refused(
            _("lpse-node is not installed on %(host)s.") % at,
            hint=_("Install it: lpse-ops provision %(host)s") % at,
        )
    return None


def _lenient(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _reasons(data: dict[str, Any]) -> Sequence[str]:
    reasons = data.get("reasons")
    return tuple(str(reason) for reason in reasons) if isinstance(reasons, list) else ()


def _short(text: str) -> str:
    return " ".join(text.split())[:300]

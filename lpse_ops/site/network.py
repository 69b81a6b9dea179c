"""Puts this process into the network of a lab, where its hosts can be reached."""

import ctypes
import errno
import os
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.site.model import Site

CONTROLLER_VARIABLE = "LPSE_OPS_LAB_CONTROLLER"
_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")


def controller_namespace(lab: str) -> str:
    """Given a lab's name, return its controller's network namespace (``LPSE_OPS_LAB_CONTROLLER``: another one)."""
    return f"lpse-lab-{lab}-{os.environ.get(CONTROLLER_VARIABLE) or 'controller'}"


def enter_network(site: Site) -> None:
    """Given a site of a lab, move this thread into the network of the lab's controller; do nothing for a real site.

    Call it before any other thread starts. Raise LabError if the lab is not up or this is not root.
    """
    if site.lab is None:
        return
    path = _NAMESPACES / controller_namespace(site.lab)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _explain(error, site.lab) from None
    try:
        if not os.path.samestat(os.fstat(descriptor), Path("/proc/self/ns/net").stat()):
            _setns(descriptor)
    except OSError as error:
        raise _explain(error, site.lab) from None
    finally:
        os.close(descriptor)


def _setns(descriptor: int) -> None:
    # os.setns is there from Python 3.12 only.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _explain(error: OSError, lab: str) -> LabError:
    if error.errno == errno.ENOENT:
        return LabError(
            _("The lab '%(lab)s' is not up.") % {"lab": lab},
            hint=_("Start it with `lpse-ops lab up --name %(lab)s`.") % {"lab": lab},
        )
    if error.errno in {errno.EPERM, errno.EACCES}:
        return LabError(
            _("The network of a lab can be entered by root only."), hint=_("Run the same command with sudo.")
        )
    return LabError(
        _("The network of the lab '%(lab)s' cannot be entered: %(reason)s.")
        % {"lab": lab, "reason": error.strerror},
        hint=_("Stop and start the lab: `lpse-ops lab down --name %(lab)s`, then `lab up`.") % {"lab": lab},
    )

"""The proxy: open it to the public, and look at the site the way the public does."""

import http.client
import socket
import ssl
import time
from typing import Any

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Step
from lpse_ops.site import Site
from lpse_ops.waiting import wait_until

_ANSWER_S = 5.0


@action("proxy.open")
def open_(context: RunContext, step: Step) -> Outcome:
    """Open the proxy on the step's host; the verb refuses unless database, application and record are right."""
    reply = context.remote.node(step.host, ["activate", *context.fencing], timeout_s=step.deadline_s).data
    return Outcome(changed=not reply.get("already", False), facts=dict(reply))


@action("verify.outside")
def outside(context: RunContext, step: Step) -> Outcome:
    """Fetch the tender list through the service address until it is served; the notice is not good enough."""
    seen: dict[str, Any] = {}

    def served() -> bool:
        seen.update(fetch(context.site, f"{context.site.instance.context_path}/lelang"))
        return bool(seen["status"] == 200)

    if not wait_until(served, step.deadline_s / 2, every=0.2):
        raise StepFailed(
            _("The site does not answer from outside: %(what)s.")
            % {"what": seen.get("error") or seen.get("status")},
            hint=_("Look at apache2 and the application on %(host)s, then run `lpse-ops resume`.")
            % {"host": step.host},
        )
    return Outcome(changed=False, facts={**seen, "served_at": round(time.time(), 3)})


def fetch(site: Site, path: str) -> dict[str, Any]:
    """Given a path, GET it at the service address as the public would; return status, bytes, or the error in words.

    The certificate of the inventory is the trust anchor, so a self-signed one is as strict as any other.
    """
    context = ssl.create_default_context(cafile=str(site.folder / site.service.certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    connection = http.client.HTTPSConnection(site.service.server_name, timeout=_ANSWER_S, context=context)
    try:
        raw = socket.create_connection((str(site.service.address), 443), timeout=_ANSWER_S)
        connection.sock = context.wrap_socket(raw, server_hostname=site.service.server_name)
        connection.request("GET", path)
        response = connection.getresponse()
        return {"status": response.status, "bytes": len(response.read()), "path": path}
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "error": str(error) or type(error).__name__, "path": path}
    finally:
        connection.close()

"""The proxy: what its configuration amounts to, and what it does at the node's own address."""

from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.plugin import cases

# Offers have up to 800 MB (SecRequestBodyLimit of the field); 800 MiB is as good, no limit of one's own is not.
BODY = (800_000_000, 838_860_800)
DIRECTIVES = {
    "ProxyTimeout": "600",
    "ProxyPreserveHost": "On",
    "ProxyRequests": "Off",
    "ServerTokens": "Prod",
    "ServerSignature": "Off",
    "TraceEnable": "Off",
    "Listen": "443",
}
MODULES = ("ssl", "proxy_http", "headers", "rewrite", "deflate")
UNWANTED = ("status", "info", "autoindex", "userdir", "cgi", "dav")


def directives(_host: Host) -> list[tuple[str, Any]]:
    return [(name, (name, value)) for name, value in DIRECTIVES.items()]


def in_force(node: Host, name: str) -> list[str]:
    """Return the values of a directive, wherever it stands in the configuration."""
    values: dict[str, list[str]] = node.see("proxy", "directives")
    return [value for key, found in values.items() if key.lower() == name.lower() for value in found]


def test_runs(node: Host) -> None:
    unit = node.see("proxy", "unit")
    found = (unit["ActiveState"], unit["UnitFileState"])
    todo = _("start it: `systemctl enable --now apache2`; the public gets no answer at all.")
    assert found == ("active", "enabled"), find(node, "apache2.service", found, "active, enabled", todo)


def test_configuration_is_valid(node: Host) -> None:
    syntax = node.see("proxy", "syntax")
    assert syntax["ok"], find(node, _("the configuration of Apache"), syntax["complaint"], "Syntax OK")


@cases(directives)
def test_directive(node: Host, case: tuple[str, str]) -> None:
    name, wanted = case
    # The last one counts; of Listen, every one.
    found = in_force(node, name)[0 if name == "Listen" else -1 :]
    assert {value.lower() for value in found} == {wanted.lower()}, find(node, name, found, wanted)


def test_body_limit(node: Host) -> None:
    found = in_force(node, "LimitRequestBody")
    good = found and all(value.isdigit() and BODY[0] <= int(value) <= BODY[1] for value in found)
    todo = _("set it again (`lpse-ops provision`): larger offers fail, or fill the disk.")
    assert good, find(node, "LimitRequestBody", found, f"{BODY[0]}..{BODY[1]}", todo)


def test_modules(node: Host) -> None:
    modules = node.see("proxy", "modules")
    missing = [name for name in MODULES if name not in modules]
    assert not missing, find(node, _("the list of missing Apache modules"), missing, None)
    unwanted = [name for name in UNWANTED if name in modules]
    assert not unwanted, find(node, _("the list of unwanted Apache modules"), unwanted, None)


def test_workers_are_unprivileged(node: Host) -> None:
    found = node.see("proxy", "users")
    assert found == ["www-data"], find(node, _("the set of users of Apache's workers"), found, "www-data")


def test_key_is_private(node: Host) -> None:
    files = {name: entry for name, entry in node.see("proxy", "files").items() if name.endswith(".key")}
    found = [f"{name} {entry['user']} {entry['mode']}" for name, entry in files.items() if entry]
    good = files and all(e and e["user"] == "root" and not int(e["mode"], 8) & 0o077 for e in files.values())
    assert good, find(node, _("the private key"), found, "root 0600")


def test_notice_exists(node: Host) -> None:
    files = node.see("proxy", "notice", "files")
    text = next((file["text"] for file in files.values() if file["text"]), "")
    todo = _("run `lpse-ops provision`: without it visitors meet a bare error while the service is closed.")
    assert 'id="lpse-notice"' in text, find(node, _("the notice page"), text[:40], _("there"), todo)


def test_notice_tells_when_to_return(node: Host) -> None:
    found = [value for value in in_force(node, "Header") if "Retry-After" in value]
    assert found, find(node, _("the header Retry-After of the notice"), None, _("a number of seconds"))

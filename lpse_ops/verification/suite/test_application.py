"""The application: unaltered, its own unprivileged user, sandboxed, configured for this site, answering."""

import hashlib
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.plugin import cases

CONFIGURED = (
    "conf/application.conf",
    "server.pid",
)  # ends of names that differ from the golden copy by design


def settings(host: Host) -> list[tuple[str, Any]]:
    """The keys of application.conf that the inventory decides."""
    expected = host.expected
    wanted = {
        "application.mode": "prod",
        "http.address": expected.app_address,
        "http.port": str(expected.app_port),
        "http.path": expected.context_path,
        "attachments.path": expected.documents,
        "db.user": expected.database_role,
        "db.url": f"jdbc:postgresql://127.0.0.1:{expected.database_port}/{expected.database}",
    }
    return [(key, (key, value)) for key, value in wanted.items()]


@lru_cache(maxsize=1)
def golden(path: str) -> dict[str, str]:
    """Return sha256 by name (below the instance's folder) of every file in the golden copy."""
    with tarfile.open(path) as tar:
        files = [
            (member.name.removeprefix("./"), tar.extractfile(member)) for member in tar if member.isfile()
        ]
        return {
            name.partition("/")[2]: hashlib.sha256(file.read()).hexdigest() for name, file in files if file
        }


def test_folder(node: Host) -> None:
    entry, user = node.see("application", "folder"), node.expected.user
    found = f"{entry['user']}:{entry['group']} {entry['mode']}" if entry else None
    good = entry and entry["group"] == user and not int(entry["mode"], 8) & 0o027
    assert good, find(node, node.expected.folder, found, f"{user}:{user} 0750")


def test_files_belong_to_root(node: Host) -> None:
    found = node.see("application", "foreign_owned")[:3]
    assert not found, find(node, _("the list of application files that are not root's"), found, None)


def test_files_are_not_writable(node: Host) -> None:
    found = node.see("application", "writable")[:3]
    assert not found, find(node, _("the list of application files that everybody may change"), found, None)


def test_integrity(node: Host) -> None:
    files, manifest = node.see("application", "files"), node.see("application", "manifest")
    assert manifest, find(node, "conf/integrity", None, _("the manifest of the application"))
    wanted = {
        name.lstrip("*"): md5 for md5, _gap, name in (line.partition(" ") for line in manifest.splitlines())
    }
    found = [name for name, md5 in wanted.items() if files.get(name.strip(), " ").split(" ")[1] != md5]
    todo = _("deactivate the node and run `lpse-ops provision`: it restores the golden copy.")
    assert not found, find(
        node, _("the list of files that differ from conf/integrity"), found[:3], None, todo
    )


def test_equals_golden_copy(node: Host) -> None:
    path = Path(node.expected.golden_copy)
    assert path.is_file(), find(
        node, _("the golden copy %(path)s") % {"path": path}, None, _("on this machine")
    )
    wanted = golden(str(path))
    files = {name: hashes.split(" ")[0] for name, hashes in node.see("application", "files").items()}
    names = (
        n for n in {*wanted, *files} if not n.endswith(CONFIGURED) and not n.startswith(("tmp/", "logs/"))
    )
    found = sorted(name for name in names if wanted.get(name) != files.get(name))
    todo = _("deactivate the node and run `lpse-ops provision`: it restores the golden copy.")
    assert not found, find(
        node, _("the list of files that differ from the golden copy"), found[:3], None, todo
    )


def test_config_is_private(node: Host) -> None:
    entry = node.see("application", "config")
    found = f"{entry.get('user')}:{entry.get('group')} {entry.get('mode')}"
    wanted = f"root:{node.expected.user} 0640"
    assert found == wanted, find(
        node, _("owner and mode of application.conf (it holds passwords)"), found, wanted
    )


@cases(settings)
def test_config(node: Host, case: tuple[str, str]) -> None:
    key, wanted = case
    found = node.see("application", "values").get(key)
    assert found == wanted, find(node, _("%(key)s in application.conf") % {"key": key}, found, wanted)

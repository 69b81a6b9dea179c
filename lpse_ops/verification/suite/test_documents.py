"""The document tree: whose it is, who may read it, and that what the database names is there, unaltered."""

from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.plugin import cases

WRONG = ("owner", "open", "executable", "strange")


def kinds(_host: Host) -> list[tuple[str, Any]]:
    return [(kind, kind) for kind in WRONG]


def named_by_the_database(host: Host) -> list[tuple[str, Any]]:
    """The newest documents with their hashes, where it is known in which table they stand (docs/verification.md)."""
    rows = host.report.get("documents", {}).get("rows", {})
    return [("newest", rows["rows"])] if "rows" in rows else []


def what(kind: str) -> str:
    return {
        "owner": _("the list of documents of another owner or group"),
        "open": _("the list of documents that everybody may reach"),
        "executable": _("the list of executable documents"),
        "strange": _("the list of links and devices among the documents"),
    }[kind]


def test_root(data: Host) -> None:
    found = (data.see("documents", "root") or {}).get("kind")
    todo = _("mount the volume, or run `lpse-ops provision`.")
    assert found == "folder", find(data, data.expected.documents, found, _("a folder"), todo)


def test_root_owner(data: Host) -> None:
    root, user = data.see("documents", "root"), data.expected.user
    found = f"{root['user']}:{root['group']}"
    assert found == f"{user}:{user}", find(data, _("the owner of the document tree"), found, f"{user}:{user}")


def test_root_mode(data: Host) -> None:
    found = data.see("documents", "root", "mode")
    assert found in {"0750", "0700", "2750"}, find(data, _("the mode of the document tree"), found, "0750")


def test_way_to_the_tree(data: Host) -> None:
    parents = [parent for parent in data.see("documents", "parents") if parent]
    found = [p["path"] for p in parents if p["user"] != "root" or int(p["mode"], 8) & 0o022]
    assert not found, find(data, _("the list of folders above it that others may change"), found, None)


@cases(kinds)
def test_tree(data: Host, case: str) -> None:
    wrong = data.see("documents", "wrong", case)
    found = f"{wrong['count']}: {', '.join(wrong['examples'])}"
    todo = _("set owner and mode as those of the tree's root (chown -R, chmod -R o=).")
    assert not wrong["count"], find(data, what(case), found, None, todo)


def test_documents_are_readable(data: Host) -> None:
    found = [file["name"] for file in data.see("documents", "newest") if file.get("error")]
    assert not found, find(data, _("the list of unreadable documents"), found, None, _("look at the disk."))


@cases(named_by_the_database)
def test_documents_equal_the_database(data: Host, case: list[dict[str, str]]) -> None:
    wrong = [row["path"] for row in case if row["found"] != row["sha256"]]
    found = f"{len(wrong)}: {', '.join(wrong)}"
    todo = _("fetch them from the other node or the backup.")
    assert not wrong, find(
        data, _("the list of documents that are missing or differ from the database"), found, None, todo
    )

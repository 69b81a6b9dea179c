#!/usr/bin/python
"""Places folders and small files on a host, many in one go."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: lpse_files
short_description: Place folders and small files, many in one go
description:
  - Does what loops over M(ansible.builtin.file), M(ansible.builtin.copy) and M(ansible.builtin.template) would do, in
    one run on the host instead of one or two for every file; see docs/adr/0010.
  - Every content is validated before the first file is placed. A file is replaced as a whole or not at all.
  - In check mode nothing is changed or validated, and what lies in folders that are not there yet counts as changed.
options:
  owner:
    description: Owner of everything that names none of its own.
    type: str
    required: true
  group:
    description: Group of everything that names none of its own.
    type: str
    required: true
  mode:
    description: Mode of files that name none of their own, as a string of octal digits.
    type: str
    default: "0644"
  files:
    description: What to place, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path on the host. A file's folder must be there, or come earlier in the list.
        type: path
        required: true
      content:
        description: The file's text. Required for a file.
        type: str
      state:
        description: What the path is.
        type: str
        choices: [file, directory]
        default: file
      owner:
        description: Owner.
        type: str
      group:
        description: Group.
        type: str
      mode:
        description: Mode; a folder's is 0755 if not named.
        type: str
      validate:
        description: A command (no shell) that must accept the content; C(%s) stands for a file that holds it.
        type: str
      force:
        description: Whether a file that is there gets this content. Owner, group and mode are seen to in either case.
        type: bool
        default: true
author:
  - lpse-ops
"""
EXAMPLES = r"""
- name: Write the settings
  lpse_files:
    owner: root
    group: root
    files:
      - {path: /etc/example, state: directory}
      - path: /etc/example/main.conf
        content: "{{ lookup('ansible.builtin.template', 'main.conf.j2') }}"
        validate: /usr/bin/example --check %s
"""
RETURN = r"""
paths:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: str
"""
FILE: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "state": {"type": "str", "choices": ["file", "directory"], "default": "file"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
    "force": {"type": "bool", "default": True},
}
RULES = [("state", "file", ("content",))]
Entry = dict[str, Any]


class Files(AnsibleModule):  # type: ignore[misc] # Ansible has no types
    """The module, which logs the paths alone: contents may be secret, and need not be in every host's journal."""

    def _log_invocation(self) -> None:
        self.log(f"lpse_files: {' '.join(str(entry['path']) for entry in self.params['files'])}")


def main() -> None:
    """Read what is asked for, check all of it, then place it."""
    module = Files(
        {
            "owner": {"type": "str", "required": True},
            "group": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": FILE,
                "required_if": RULES,
            },
        },
        supports_check_mode=True,
    )
    wanted = [_completed(module, entry) for entry in module.params["files"]]
    paths = [entry["path"] for entry in wanted]
    if twice := sorted({str(path) for path in paths if paths.count(path) > 1}):
        module.fail_json(msg=f"named twice: {', '.join(twice)}")
    differing = [entry for entry in wanted if _with(module, entry, _differs)]
    new_files = [entry for entry in differing if entry["state"] == "file"]
    diff = [_diff(entry) for entry in new_files] if module._diff else []
    # As everywhere in Ansible: a judge may need what check mode has not placed.
    for entry in [] if module.check_mode else new_files:
        _with(module, entry, lambda entry: _validate(module, entry))
    changed = [
        str(entry["path"])
        for entry in wanted
        if _with(module, entry, lambda entry: _place(module, entry, entry in differing))
    ]
    module.exit_json(changed=bool(changed), paths=changed, diff=diff)


def _with(module: Files, entry: Entry, act: Callable[[Entry], Any]) -> Any:
    """Do `act` with `entry`; if the system refuses (a full disk), end the module with the path and its reason."""
    try:
        return act(entry)
    except OSError as error:
        module.fail_json(msg=f"{entry['path']}: {error.strerror}")


def _completed(module: Files, entry: Entry) -> Entry:
    """Return `entry` with what it leaves to the task filled in, and its path as a Path."""
    defaults = {name: module.params[name] for name in ("owner", "group", "mode")}
    if entry["state"] == "directory":
        defaults["mode"] = "0755"
    if not Path(entry["path"]).is_absolute():
        module.fail_json(msg=f"{entry['path']} is not an absolute path")
    named = {name: entry[name] or value for name, value in defaults.items()}
    return {**entry, **named, "path": Path(entry["path"])}


def _differs(entry: Entry) -> bool:
    """Return whether the path must be made or gets other content."""
    path = entry["path"]
    if entry["state"] == "directory":
        return not path.is_dir()
    if path.is_symlink() or not path.is_file():
        return True
    return bool(entry["force"] and path.read_bytes() != entry["content"].encode())


def _validate(module: Files, entry: Entry) -> None:
    """Have the content judged by the command that the entry names; end the module if it is not accepted."""
    if not entry["validate"]:
        return
    if "%s" not in entry["validate"]:
        module.fail_json(msg=f"{entry['path']}: the validating command has no %s: {entry['validate']}")
    draft = Path(module.tmpdir) / "draft"
    _write(draft, entry["content"])
    words = [word.replace("%s", str(draft)) for word in shlex.split(entry["validate"])]
    code, out, err = module.run_command(words)
    draft.unlink()
    if code != 0:
        said = (err or out).strip().replace(str(draft), str(entry["path"]))
        module.fail_json(msg=f"{entry['path']}: the new content is not valid, nothing was changed: {said}")


def _write(path: Path, content: str) -> None:
    """Write a new file that nobody else can read, and have the disk hold it."""
    path.unlink(missing_ok=True)  # what an interrupted run left
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())


def _place(module: Files, entry: Entry, differs: bool) -> bool:
    """Make one path what it should be; return whether that changed, or would change, anything."""
    path, is_folder = entry["path"], entry["state"] == "directory"
    # A folder may lie elsewhere, behind a link: what counts is the folder.
    asked = {**entry, "path": str(path), "attributes": None, "follow": is_folder}
    attributes = module.load_file_common_arguments(asked)
    if not differs:
        return bool(module.set_fs_attributes_if_different(attributes, False))
    if module.check_mode:
        return True
    if is_folder and (path.exists() or path.is_symlink()):
        module.fail_json(msg=f"{path} should be a folder, and is none")
    if not is_folder and path.is_dir():
        module.fail_json(msg=f"{path} is a folder, and should be a file")
    if is_folder:
        _make_folder(path)
        return bool(module.set_fs_attributes_if_different(attributes, True))
    if not path.parent.is_dir():
        module.fail_json(msg=f"{path} cannot be made: its folder is not there")
    # Under a name that no service reads; complete with owner and mode before anybody sees it under its own.
    draft = path.with_name(f".{path.name}.lpse-new")
    try:
        _write(draft, entry["content"])
        module.set_fs_attributes_if_different({**attributes, "path": str(draft)}, True)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)
    return True


def _make_folder(path: Path) -> None:
    """Make a folder, closed until it has its owner; missing folders above it are made for all to pass, as root's."""
    for above in reversed([above for above in path.parents if not above.exists()]):
        above.mkdir()
        above.chmod(0o755)
    path.mkdir(0o700)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _diff(entry: Entry) -> dict[str, str]:
    path = entry["path"]
    before = path.read_text(errors="replace") if path.is_file() else ""
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": before,
        "after": entry["content"],
    }


if __name__ == "__main__":
    main()

"""lpse-node fence: settings of root's own file only, secrets on no command line; receiver: what comes counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.node.conftest import Helper

TOKEN = ("--run", "r1", "--token", "1")
SECRET = "hunter2 with a blank"
BMC = {"bmc": {"address": "198.51.100.21", "cipher_suite": 3, "port": 623, "user": "lpse"}}
# Keeps its words and its input.
PROGRAM = """\
#!/bin/sh
cd {folder} || exit 9
printf '%s\\n' "$@" >words
cat >input
echo "as told"
exit $(cat code)
"""


def settings_of(node: Helper, settings: dict[str, Any]) -> str:
    folder = node.root / "etc/lpse-ops/fence"
    folder.mkdir(exist_ok=True)
    text = json.dumps(settings, sort_keys=True)
    (folder / "node2.json").write_text(text + "\n")
    return text


def program(node: Helper, path: Path, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.format(folder=node.root))
    path.chmod(0o755)
    (node.root / "code").write_text(str(code))
    return path


def test_ipmi(node: Helper) -> None:
    program(node, node.root / "bin/ipmitool")
    text = settings_of(node, BMC)
    answer = node("fence", "node2", "status", stdin=f"{text}\n{SECRET}\n")
    assert answer.code == 0, answer.text
    assert answer.json == {"code": 0, "said": "as told;"}
    words = (node.root / "words").read_text().split("\n")
    assert words[words.index("-H") : words.index("-f") + 2] == [
        *("-H", "198.51.100.21", "-p", "623", "-U", "lpse"),
        *("-f", "/dev/stdin"),
    ]
    assert words[-4:-1] == ["chassis", "power", "status"]
    assert SECRET not in "".join(words)
    assert (node.root / "input").read_text() == SECRET
    assert not [path for path in node.run_folder.rglob("*") if path.is_file() and SECRET in path.read_text()]


@pytest.mark.parametrize(("option", "name"), [({}, "password"), ({"secret_option": "token"}, "token")])
def test_an_agent_is_told_everything_on_its_input(node: Helper, option: dict[str, str], name: str) -> None:
    fence = {"method": "agent", "agent": "fence_outlet", "options": {"ip": "192.0.2.9", "plug": "a = b"}}
    program(node, node.root / "usr/sbin/fence_outlet", 2)
    text = settings_of(node, {"fence": fence | option})
    answer = node("fence", "node2", "status", stdin=f"{text}\n{SECRET}\n")
    assert answer.json == {"code": 2, "said": "as told;"}
    assert (node.root / "words").read_text() == "\n"
    assert (node.root / "input").read_text().splitlines() == [
        "ip=192.0.2.9",
        "plug=a = b",
        "action=status",
        f"{name}={SECRET}",
    ]


def test_a_command_of_the_site(node: Helper) -> None:
    fence = {
        "method": "command",
        "power_off": ["/opt/outlet", "off", "7 b"],
        "power_status": ["/opt/outlet", "status"],
    }
    text = settings_of(node, {"fence": fence})
    outlet = program(node, node.root / "opt/outlet")
    assert node("fence", "node2", "off", *TOKEN, stdin=f"{text}\n{SECRET}\n").json["code"] == 0
    assert (node.root / "words").read_text() == "off\n7 b\n"
    assert (node.root / "input").read_text() == SECRET + "\n"
    outlet.chmod(0o777)
    found = node("fence", "node2", "status", stdin=f"{text}\n\n").json
    assert found["code"] == 126
    assert "others than root may write it" in found["said"]
    outlet.unlink()
    assert node("fence", "node2", "status", stdin=f"{text}\n\n").json["code"] == 127


def test_what_came_over_the_wire_must_be_what_root_wrote(node: Helper) -> None:
    program(node, node.root / "bin/ipmitool")
    settings_of(node, BMC)
    other = json.dumps({"bmc": {**BMC["bmc"], "address": "198.51.100.66"}}, sort_keys=True)
    refused = node("fence", "node2", "status", stdin=f"{other}\n{SECRET}\n")
    assert refused.code == 3
    assert "other fencing settings" in refused.json["reasons"][0]
    refused = node("fence", "node1", "status", stdin=f"{other}\n{SECRET}\n")
    assert refused.code == 3
    assert "was not told" in refused.json["reasons"][0]
    assert not (node.root / "words").exists()


def test_cutting_power_needs_the_token_of_the_run(node: Helper) -> None:
    program(node, node.root / "bin/ipmitool")
    given = settings_of(node, BMC) + f"\n{SECRET}\n"
    assert node("fence", "node2", "off", stdin=given).code == 2
    assert node("fence", "node2", "off", "--run", "r2", "--token", "2", stdin=given).code == 0
    late = node("fence", "node2", "off", *TOKEN, stdin=given)
    assert late.code == 3
    assert "another run has taken over" in late.json["reasons"][0]


@pytest.mark.parametrize(
    "words", [[], ["node2"], ["node2", "cycle"], ["../node2", "off"], ["node2", "off", "--agent", "x"]]
)
def test_nothing_but_a_node_and_an_order(node: Helper, words: list[str]) -> None:
    settings_of(node, BMC)
    assert node("fence", *words, stdin="{}\n\n").code == 2


# Each query takes the next line of `said`; the last one stays.
PSQL = """\
#!/bin/sh
cd {folder} || exit 9
head -n 1 said
[ "$(wc -l <said)" -eq 1 ] || sed -i 1d said
"""


@pytest.mark.parametrize(
    ("said", "heard", "connected"),
    [
        (
            ["1700000000.5|0/3000", "1700000000.5|0/3000"],
            False,
            True,
        ),  # a dead peer that nobody has noticed yet
        (["1700000000.5|0/3000", "|0/3000"], False, False),
        (["|0/3000", "|0/3000"], False, False),
        (["1700000000.5|0/3000", "1700000001.5|0/3000"], True, True),  # a keepalive
        (["1700000000.5|0/3000", "|0/3100"], True, False),
        (["|0/3000", "1700000001.5|0/3000"], True, True),
    ],
)
def test_the_receiver(node: Helper, said: list[str], heard: bool, connected: bool) -> None:
    psql = node.root / "usr/lib/postgresql/15/bin/psql"
    psql.parent.mkdir(parents=True)
    psql.write_text(PSQL.format(folder=node.root))
    psql.chmod(0o755)
    # The helper calls it by its whole path, as another account.
    node.program("setpriv", f'#!/bin/sh\nwhile [ "${{1#*psql}}" = "$1" ]; do shift; done; exec {psql}\n')
    (node.root / "said").write_text("\n".join(said) + "\n")
    answer = node("receiver", "--for", "0.1")
    assert answer.code == 0, answer.text
    assert (answer.json["heard"], answer.json["connected"]) == (heard, connected)


# As `ss -tniHO` prints a connection (iproute2 6.1), shortened.
LINE = "0 0 198.51.100.11:55084 {peer}:5432 bbr rto:212 lastsnd:660 lastrcv:3664{ago} busy:1ms\n"
QUIET = ["1700000000.5|0/3000", "1700000000.5|0/3000"]


@pytest.mark.parametrize(
    ("lines", "heard", "acknowledged_s"),
    [
        ([("198.51.100.12", 3)], True, 0.003),  # a quiet database on a living host
        ([("198.51.100.12", 9000)], False, 9.0),  # nothing since before we listened
        ([("198.51.100.12", 9000), ("198.51.100.12", 3)], True, 0.003),
        ([("198.51.100.12", 0)], True, 0.0),  # ss prints no 0
        ([("127.0.0.1", 3), ("198.51.100.99", 3)], False, None),  # nobody of this site
        ([], False, None),
    ],
)
def test_a_kernel_that_acknowledges_lives(
    node: Helper, lines: list[tuple[str, int]], heard: bool, acknowledged_s: float | None
) -> None:
    node.program("setpriv", '#!/bin/sh\nhead -n 1 "$LPSE_NODE_ROOT/said"\nsed -i 1d "$LPSE_NODE_ROOT/said"\n')
    (node.root / "said").write_text("\n".join(QUIET) + "\n")
    told = "".join(LINE.format(peer=peer, ago=f" lastack:{ago}" if ago else "") for peer, ago in lines)
    node.program("ss", f"#!/bin/sh\ncat <<'END'\n{told}END\n")
    answer = node("receiver", "--for", "0.1").json
    assert (answer["heard"], answer["acknowledged_s"]) == (heard, acknowledged_s)


def test_what_cannot_be_listened_for_is_no_silence(node: Helper) -> None:
    node.program("setpriv", f"#!/bin/sh\necho '{QUIET[0]}'\n")
    node.program("ss", "#!/bin/sh\nexit 1\n")
    answer = node("receiver", "--for", "0.1")
    assert answer.code == 4
    assert "cannot be seen" in answer.json["error"]


def test_a_database_that_does_not_answer_is_no_silence(node: Helper) -> None:
    node.program("setpriv", "#!/bin/sh\nexit 1\n")
    assert node("receiver", "--for", "0.1").code == 4

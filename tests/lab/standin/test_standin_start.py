"""The stand-in from start to stop: order, refusals, what is left behind."""

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab.standin import golden
from lpse_ops.waiting import scaled, wait_until
from tests.lab.standin.conftest import NewInstance
from tests.lab.standin.host import STATUS_KEY, Cluster, Instance
from tests.support.ports import free_port

pytestmark = pytest.mark.one_release

LEFT_OVER = "The server.pid already exists. Is the server already running?"


def test_the_golden_copy_is_the_same_every_time_but_for_its_name(golden_copy: Path, tmp_path: Path) -> None:
    golden.build(tmp_path / "latihan.tar", instance="latihan")
    for path in (tmp_path / "latihan.tar", golden_copy):
        subprocess.run(
            ["sha256sum", "--check", f"{path.name}.sha256"], cwd=path.parent, check=True, capture_output=True
        )
    with tarfile.open(tmp_path / "latihan.tar") as latihan, tarfile.open(golden_copy) as production:
        for one, other in zip(latihan, production, strict=True):
            assert one.name == other.name.replace("production", "latihan", 1)
            assert (one.mode, one.mtime, one.uid) == (other.mode, other.mtime, 0)
            if one.isfile():
                contents = latihan.extractfile(one), production.extractfile(other)
                assert contents[0] is not None
                assert contents[1] is not None
                assert contents[0].read() == contents[1].read(), one.name
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["latihan.tar", "latihan.tar.sha256"]


def test_a_missing_compiler_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError) as raised:
        golden.build(tmp_path / "x.tar")
    assert "default-jdk-headless" in raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_names_every_file_but_the_configuration(instance: Instance) -> None:
    subprocess.run(
        ["md5sum", "--check", "--strict", "conf/integrity"],
        cwd=instance.folder,
        check=True,
        capture_output=True,
    )
    named = {line.split("  ")[1] for line in (instance.folder / "conf/integrity").read_text().splitlines()}
    files = {str(path.relative_to(instance.folder)) for path in instance.folder.rglob("*") if path.is_file()}
    assert files - named == {"conf/integrity", "webapp/conf/application.conf"}


def test_it_starts_at_the_cost_of_a_second_and_says_so(instance: Instance) -> None:
    instance.start()
    # Processor time, not time on the wall: the machine may have more to do.
    stat = Path(f"/proc/{instance.pid_file.read_text()}/stat").read_text().rpartition(") ")[2].split()
    assert (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") < 1.5
    assert wait_until(lambda: "Listening for HTTP" in instance.log.read_text(), 5)
    lines = [line.split(" ~ ")[1] for line in instance.log.read_text().splitlines()]
    assert lines.index("Application 'SPSE' is now started !") + 1 == lines.index(
        f"Listening for HTTP on port {instance.port} ..."
    )


def test_it_refuses_a_left_over_pid_whoever_left_it(instance: Instance) -> None:
    instance.pid_file.write_text("999999")
    for verb in ("start", "run"):
        result = instance.spse4(verb)
        assert (result.returncode, LEFT_OVER in result.stdout) == (1, True)
    assert instance.pid_file.read_text() == "999999"


def test_a_second_start_is_refused_and_the_first_goes_on(running: Instance) -> None:
    pid = running.pid_file.read_text()
    assert running.spse4("start").returncode == 1
    assert running.ready()
    assert running.pid_file.read_text() == pid


def test_sigterm_exits_143_and_leaves_the_pid(instance: Instance) -> None:
    process = instance.foreground()
    assert wait_until(instance.ready, 15, 0.02)
    assert instance.pid_file.read_text() == str(process.pid)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=scaled(15))
    assert process.returncode == 143
    assert "closing the connection pool" in out
    assert instance.pid_file.read_text() == str(process.pid)
    assert LEFT_OVER in instance.spse4("start").stdout


def test_stop_kills_and_removes_the_pid_and_restart_brings_it_back(running: Instance) -> None:
    pid = int(running.pid_file.read_text())
    assert running.spse4("stop").returncode == 0
    assert not running.pid_file.exists()
    assert "closing" not in running.log.read_text(), "stop is kill -9"
    cmdline = Path(f"/proc/{pid}/cmdline")
    assert not cmdline.exists() or not cmdline.read_text(), "gone, or at least dead"
    assert running.spse4("stop").returncode == 1
    assert running.spse4("restart").returncode == 0
    assert wait_until(running.ready, 15, 0.02)


def test_stop_spares_a_stranger_that_got_the_process_id(instance: Instance) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        instance.pid_file.write_text(str(stranger.pid))
        assert instance.spse4("stop").returncode == 0
        assert stranger.poll() is None
        assert not instance.pid_file.exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_wrong_use_is_told(instance: Instance) -> None:
    assert instance.spse4("status").returncode == 2


def test_without_a_database_it_exits_1_after_a_while(instance: Instance) -> None:
    instance.set({"db.url": f"jdbc:postgresql://127.0.0.1:{free_port()}/epns_prod"})
    began = time.monotonic()
    result = instance.spse4("run")
    assert result.returncode == 1
    assert "Cannot connected to the database" in result.stdout
    assert time.monotonic() - began >= 0.5
    assert instance.pid_file.exists()


def test_an_old_postgresql_is_refused(new_instance: NewInstance) -> None:
    # Only the number is moved: a PostgreSQL 10 is in none of the supported systems.
    result = new_instance(standin__minimum_postgresql="99").spse4("run")
    assert result.returncode == 1
    assert "SPSE needs version 99 or later" in result.stdout


def test_the_shipped_minimum_is_11(golden_copy: Path, instance: Instance) -> None:
    assert (
        "\nstandin.minimum_postgresql=11\n" in (instance.folder / "webapp/conf/application.conf").read_text()
    )


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_file_that_is_not_the_manifests_stops_the_start(instance: Instance, damage: str) -> None:
    file = instance.folder / "webapp/public/stylesheets/spse.css"
    if damage == "missing":
        file.unlink()
        text = "spse.css is missing"
    else:
        file.write_text(file.read_text() + " ")
        text = "spse.css differs"
    result = instance.spse4("run")
    assert result.returncode == 1
    assert text in result.stdout


@pytest.mark.parametrize("key", ["application.secret", "application.statusKey", "db.pass"])
def test_a_placeholder_of_the_golden_copy_is_refused(instance: Instance, key: str) -> None:
    instance.set({key: "CHANGE_ME"})
    result = instance.spse4("run")
    assert result.returncode == 1
    assert f"{key} still holds the placeholder" in result.stdout


def test_a_taken_port_is_told(running: Instance, new_instance: NewInstance) -> None:
    result = new_instance(http__port=str(running.port)).spse4("run")
    assert result.returncode == 1
    assert f"Could not bind on port {running.port}" in result.stdout


@pytest.mark.parametrize("where", ["configuration", "environment"])
def test_while_starting_everything_is_503(instance: Instance, where: str) -> None:
    if where == "configuration":
        instance.set({"standin.start_seconds": "1.5"})
    began = time.monotonic()
    result = instance.spse4("start", **({"SPSE_START_SECONDS": "1.5"} if where == "environment" else {}))
    assert result.returncode == 0
    answers = []

    def asked() -> bool:
        try:
            answers.extend(
                [instance.get("/@status", Authorization=STATUS_KEY).status, instance.get("/lelang").status]
            )
        except OSError:
            return False
        return answers[-1] == 200

    assert wait_until(asked, 15, 0.05)
    assert time.monotonic() - began >= 1.5
    assert set(answers[:-2]) == {503}


def test_tmp_is_emptied_at_start(instance: Instance) -> None:
    (instance.folder / "tmp").mkdir()
    (instance.folder / "tmp/old").touch()
    instance.start()
    assert list((instance.folder / "tmp").iterdir()) == []


def test_migration_is_idempotent_and_the_tables_are_the_roles(instance: Instance, cluster: Cluster) -> None:
    result = instance.spse4("migration")
    assert result.returncode == 0
    assert "0 applied, 2 already there" in result.stdout
    owners = cluster.app_sql("SELECT DISTINCT schemaname, tableowner FROM pg_tables"
                             " WHERE schemaname IN ('public', 'ekontrak') ORDER BY 1")  # fmt: skip
    assert owners.splitlines() == ["ekontrak|epns", "public|epns"]


def test_migration_refuses_a_script_that_changed_after_it_was_applied(instance: Instance) -> None:
    script = instance.folder / "webapp/db/002-attachment.sql"
    script.write_text(script.read_text() + "-- changed\n")
    result = instance.spse4("migration")
    assert result.returncode == 1
    assert "is not the one that was applied" in result.stdout


def test_a_migration_that_fails_leaves_nothing(instance: Instance, cluster: Cluster) -> None:
    (instance.folder / "webapp/db/003-wrong.sql").write_text("CREATE TABLE half (x int); SELECT 1 / 0;")
    result = instance.spse4("migration")
    assert result.returncode == 1
    assert "division by zero" in result.stdout
    assert (
        cluster.app_sql("SELECT to_regclass('half') IS NULL AND max(version) = 2 FROM schema_version") == "t"
    )

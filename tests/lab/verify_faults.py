"""Faults to plant on hosts, one at a time: what to run, how to undo it, and which test must find it."""

from dataclasses import dataclass

FOLDER = "/home/appserv/production"
DOCUMENTS = "/home/file/file_prod"
# One that is there already: a new one would travel to the standby, which deletes nothing.
ONE_DOCUMENT = f"$(find {DOCUMENTS} -name '*.rhs' | sort | head -n 1)"
UNIT = "spse@production.service"
SITE_CONF = "/etc/apache2/sites-available/lpse.conf"
CSS = f"{FOLDER}/webapp/public/stylesheets/spse.css"
CONF = "$(echo /etc/postgresql/*/main)"
ACTIVE, STANDBY = "node1", "node2"


@dataclass(frozen=True)
class Fault:
    """`plant` and `undo` are shell text for `host`; `found_by` are the tests that must report it."""

    name: str
    only: str
    plant: str
    undo: str
    found_by: tuple[str, ...]
    host: str = ACTIVE


def sql(text: str, database: str = "postgres") -> str:
    return f"cd / && runuser -u postgres -- psql -XAtqv ON_ERROR_STOP=1 -d {database} -c '{text}'"


def moved(path: str) -> tuple[str, str]:
    return f"mv {path} {path}.planted", f"mv {path}.planted {path}"


def edited(path: str, change: str, after: str = ":") -> tuple[str, str]:
    """Return how to change a file and how to put it back, each followed by `after`; the original stays byte-exact."""
    keep = "/root/lpse-verify-kept"
    return (
        f"f={path}; cp -p $f {keep} && {change} && {after}",
        f"f={path}; cp -p {keep} $f && rm {keep} && {after}",
    )


LOCK1 = "/etc/systemd/system/postgresql@*-main.service.d/lpse-guard.conf"
RELOAD = "systemctl daemon-reload"
# Without capabilities root cannot write into the folder of another: the sandbox alone keeps it from starting.
ROOT_NEEDS = "CapabilityBoundingSet=CAP_DAC_OVERRIDE"
ROOT_UNIT = f"/run/systemd/system/{UNIT}.d"

FAULTS = (
    Fault(
        "wrong zone",
        "clock",
        "ln -sfn /usr/share/zoneinfo/UTC /etc/localtime",
        "ln -sfn /usr/share/zoneinfo/Asia/Jakarta /etc/localtime",
        ("test_clock.py::test_zone[node1]",),
    ),
    Fault(
        "wrong owner of the document tree",
        "documents",
        f"chown root:root {DOCUMENTS}",
        f"chown spse:spse {DOCUMENTS}",
        ("test_documents.py::test_root_owner[node1]", "test_documents.py::test_tree[node1-owner]"),
    ),
    Fault(
        "document for everybody",
        "documents",
        f"chmod 0644 {ONE_DOCUMENT}",
        f"chmod 0640 {ONE_DOCUMENT}",
        ("test_documents.py::test_tree[node1-open]",),
    ),
    Fault(
        "stale pid",
        "application",
        *edited(f"{FOLDER}/server.pid", "echo 99999 > $f"),
        ("test_application_unit.py::test_pid_file[node1]",),
    ),
    Fault(
        "closed port",
        "ports",
        "systemctl stop apache2",
        "systemctl start apache2",
        ("test_ports.py::test_listens[node1-https]",),
    ),
    Fault(
        "extra listening port",
        "ports",
        "systemd-run -q --unit=lpse-planted python3 -m http.server 8088 --bind 0.0.0.0 --directory /run/lpse",
        "systemctl stop lpse-planted",
        ("test_ports.py::test_no_other_tcp_port[node1]",),
    ),
    Fault(
        "wrong database owner",
        "database",
        sql("ALTER DATABASE epns_prod OWNER TO postgres"),
        sql("ALTER DATABASE epns_prod OWNER TO epns"),
        ("test_database_content.py::test_database_owner[node1]",),
    ),
    Fault(
        "missing schema",
        "database",
        sql("ALTER SCHEMA ekontrak RENAME TO ekontrak_planted", "epns_prod"),
        sql("ALTER SCHEMA ekontrak_planted RENAME TO ekontrak", "epns_prod"),
        ("test_database_content.py::test_schema[node1-ekontrak]",),
    ),
    Fault(
        "trust in pg_hba",
        "database",
        *edited(f"{CONF}/pg_hba.conf", "echo 'host all all 127.0.0.1/32 trust' >> $f"),
        ("test_database.py::test_access_by_scram_only[node1]",),
    ),
    Fault(
        "missing body limit",
        "proxy",
        *edited(
            SITE_CONF, "sed -i '/LimitRequestBody/d; /Content-Length/,+1d' $f", "systemctl reload apache2"
        ),
        (
            "test_proxy.py::test_body_limit[node1]",
            "test_proxy_answers.py::test_body_limit_in_practice[node1]",
        ),
    ),
    Fault(
        "notice page gone",
        "proxy",
        *moved("/var/www/lpse-notice/notice.html"),
        (
            "test_proxy.py::test_notice_exists[node1]",
            "test_proxy_answers.py::test_notice_is_reachable[node1]",
        ),
    ),
    Fault(
        "notice page gone on the standby",
        "guard",
        *moved("/var/www/lpse-notice/notice.html"),
        ("test_guard_doors.py::test_notice_is_shown[node2]",),
        STANDBY,
    ),
    Fault(
        "application as root",
        "application",
        f"mkdir -p {ROOT_UNIT}"
        f" && printf '%s\\n' '[Service]' User=root Group=root {ROOT_NEEDS} > {ROOT_UNIT}/planted.conf"
        f" && {RELOAD} && systemctl restart {UNIT}",
        f"rm -r {ROOT_UNIT} && {RELOAD} && systemctl stop {UNIT} && rm -f {FOLDER}/server.pid"
        f" && cd {FOLDER} && chown -R spse:spse logs tmp && systemctl start {UNIT}",
        (
            "test_application_unit.py::test_unit_user[node1]",
            "test_application_unit.py::test_runs_unprivileged[node1]",
        ),
    ),
    Fault(
        "world-readable application.conf",
        "application",
        f"chmod 0644 {FOLDER}/webapp/conf/application.conf",
        f"chmod 0640 {FOLDER}/webapp/conf/application.conf",
        ("test_application.py::test_config_is_private[node1]",),
    ),
    Fault(
        "changed app file",
        "application",
        *edited(CSS, "echo planted >> $f"),
        ("test_application.py::test_integrity[node1]", "test_application.py::test_equals_golden_copy[node1]"),
    ),
    Fault(
        "guard lock 1 removed",
        "guard",
        f"f=$(echo {LOCK1}); mv $f $f.planted && {RELOAD}",
        f"f=$(echo {LOCK1}.planted); mv $f ${{f%.planted}} && {RELOAD}",
        ("test_guard.py::test_lock_1_on_the_unit[node1]",),
    ),
    Fault(
        "guard lock 2 removed",
        "guard",
        *edited(f"{CONF}/conf.d/10-lpse.conf", r"sed -i '/^include /d' $f"),
        ("test_guard.py::test_lock_2_in_the_configuration[node1]",),
    ),
    Fault(
        "nobody watches the active node",
        "guard",
        "systemctl disable --quiet --now lpse-watch.service",
        "systemctl enable --quiet --now lpse-watch.service",
        ("test_guard.py::test_the_active_node_is_watched[node1]",),
    ),
    Fault(
        "proxy open on the standby",
        "guard",
        "touch /run/lpse/serving",
        "rm /run/lpse/serving",
        ("test_guard_doors.py::test_proxy_is_shut[node2]",),
        STANDBY,
    ),
    Fault(
        "passwords let in by sshd",
        "base",
        *edited("/etc/ssh/sshd_config.d/00-lpse-ops.conf", "sed -i '/^PasswordAuthentication/s/no/yes/' $f"),
        ("test_base.py::test_sshd[node1-passwordauthentication]",),
    ),
    Fault(
        "firewall with a hole",
        "base",
        "nft add rule inet lpse input tcp dport 5432 accept",
        "nft -f /etc/nftables.conf",
        ("test_base.py::test_firewall_public_ports[node1]",),
    ),
)

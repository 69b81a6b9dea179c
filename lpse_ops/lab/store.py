"""The package store: everything the roles install, with all it depends on, as a signed apt repository in one folder.

A server room without internet gets its packages on a disk. The store is that disk: downloaded once by apt itself,
inside a throw-away copy of the bare image, so that exactly what a bare host lacks is in it.
"""

import datetime
import hashlib
import shutil
import subprocess
from email.utils import format_datetime
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import apt, cache, tools
from lpse_ops.lab.names import release_name

JAVA = {"12": "17", "13": "21"}
PACKAGES = (
    "acl",
    "age",
    "apache2",
    "ca-certificates",
    "chrony",
    "curl",
    "ipmitool",
    "iputils-arping",
    "iputils-ping",
    "libapache2-mod-security2",
    "libpostgresql-jdbc-java",
    "locales",
    "logrotate",
    "netcat-openbsd",
    "nftables",
    "openssh-client",
    "openssl",
    "pgbackrest",
    "postgresql",
    "postgresql-client",
    "postgresql-contrib",
    "procps",
    "psmisc",
    "python3-apt",
    "python3-cryptography",
    "python3-debian",
    "python3-psycopg2",
    "restic",
    "rsync",
    "ssl-cert",
    "sudo",
    "tzdata",
    "unzip",
    "zstd",
)
MEGABYTES = 900
KEY_FILE = "packages.asc"  # the public key that signs the store; beside the repository, not in it
KEY_NAME = "lpse-ops lab package store"


# OPTIONS ROOT PACKAGES...: let apt in a throw-away copy of the image download what a bare host needs.
_DOWNLOAD = """
set -e
mount -t overlay overlay -o "$1" "$2"
mount --rbind /proc "$2/proc"
mount --rbind /dev "$2/dev"
root=$2
shift 2
chroot "$root" apt-get --quiet --error-on=any update
exec chroot "$root" apt-get --yes --quiet --no-install-recommends --download-only install "$@"
"""


def recipe(release: str, image: Path) -> dict[str, object]:
    """Return what the store for `image` is made from. It belongs to one build of the image: its closure is relative."""
    return {
        "version": 1,
        "release": release_name(release),
        "packages": packages(release),
        "image": (image / "build-id").read_text().strip(),
    }


def packages(release: str) -> list[str]:
    """Return the packages of the store for Debian `release`, without what they depend on."""
    return [*PACKAGES, f"openjdk-{JAVA[release]}-jre-headless"]


def store(release: str, image: Path, report: tools.Report) -> Path:
    """Return the cache entry of the store for `image`: the repository is in ``packages``, its key beside it."""

    def build(folder: Path, group: str) -> None:
        report(_("Downloading the packages for Debian %(release)s ...") % {"release": release})
        repository = folder / "packages"
        repository.mkdir()
        try:
            _download(release, image / "root", folder, group)
        except LabError as error:
            raise apt.explain(release, error) from None
        report(_("Signing the package store ..."))
        write_index(repository, release_name(release))
        _sign(repository, folder / KEY_FILE)

    return cache.entry("stores", recipe(release, image), MEGABYTES, build, report)


def write_index(repository: Path, codename: str) -> None:
    """Write ``Packages`` and ``Release`` of a flat repository (format: Debian wiki, DebianRepository/Format)."""
    stanzas = []
    for package in sorted(repository.glob("*.deb")):
        control = subprocess.run(
            ["dpkg-deb", "--field", str(package)], capture_output=True, text=True, check=True
        ).stdout.strip()
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        size = package.stat().st_size
        stanzas.append(f"{control}\nFilename: ./{package.name}\nSize: {size}\nSHA256: {digest}\n")
    index = "\n".join(stanzas).encode()
    (repository / "Packages").write_bytes(index)
    now = format_datetime(datetime.datetime.now(datetime.UTC), usegmt=True)
    (repository / "Release").write_text(
        f"Origin: lpse-ops\nLabel: lpse-ops\nSuite: {codename}\nCodename: {codename}\nDate: {now}\n"
        "Architectures: amd64 arm64\nDescription: Offline package store\n"
        f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
    )


def _download(release: str, image: Path, folder: Path, group: str) -> None:
    """Fill ``packages`` of the cache entry `folder`."""
    upper, work, root = (folder / "scratch" / name for name in ("upper", "work", "root"))
    for path in (upper, work, root, upper / "etc/apt/apt.conf.d", upper / "etc/ssl/certs"):
        path.mkdir(parents=True, exist_ok=True)
    sources = apt.copy_keyrings(apt.debian_sources(release), upper)
    (upper / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    (upper / "etc/apt/apt.conf.d/99machine").write_text("\n".join(apt.acquire_options()) + "\n")
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).is_file():  # how this machine reaches and trusts its mirror
            (upper / file.lstrip("/")).write_bytes(Path(file).read_bytes())
    options = f"lowerdir={image},upperdir={upper},workdir={work}"
    cache.run_in(group, ["/bin/sh", "-c", _DOWNLOAD, "apt-get", options, str(root), *packages(release)])
    for package in (upper / "var/cache/apt/archives").glob("*.deb"):
        target = folder / "packages" / package.name.replace("%3a", "_")
        target.write_bytes(package.read_bytes())
        target.chmod(0o644)
    shutil.rmtree(folder / "scratch")


def _sign(repository: Path, public_key: Path) -> None:
    """Sign ``Release`` with a key made for this store alone; its private half is gone when this returns."""
    home = repository.parent / "gnupg"
    home.mkdir(mode=0o700)
    gpg = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
    ]
    try:
        tools.run([*gpg, "--quick-generate-key", KEY_NAME, "ed25519", "sign", "never"])
        tools.run(
            [*gpg, "--clearsign", "--output", str(repository / "InRelease"), str(repository / "Release")]
        )
        public_key.write_text(tools.run([*gpg, "--armor", "--export"]))
    finally:
        tools.run(["gpgconf", "--homedir", str(home), "--kill", "all"])
        shutil.rmtree(home)

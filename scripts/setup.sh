#!/usr/bin/env bash
# All set-up on a fresh Debian 12 or 13: packages of the system, then the virtual environment in .venv.
# Installs nothing that is there already; says what it installs. `setup.sh tests` also installs what only tests need.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the lab runs on (lpse_ops/lab/tools.py; a contract test compares the two), what builds the stand-in, and Python's venv.
PACKAGES=(
  python3 python3-venv ca-certificates git curl
  mmdebstrap systemd-container e2fsprogs iproute2 nftables util-linux mount
  openipmi ipmitool iputils-arping gnupg dpkg apt openssh-client openssl debian-archive-keyring
  default-jdk-headless
)
# Tested on this machine, without a lab host: the stand-in against a cluster of its own in a temporary folder, the
# settings that the roles write (apache2-bin: the program alone, no service), a fence agent against a stand-in of its board.
[ "${1:-}" != tests ] || PACKAGES+=(postgresql libpostgresql-jdbc-java apache2-bin fence-agents)
UV_VERSION=0.13.9

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "these packages need root, and there is no sudo; as root run: apt-get install ${missing[*]}"
    exit 1
  fi
}

is_installed() {
  case "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" in installed) return 0 ;; esac
  # Any Java compiler does.
  [ "$1" = default-jdk-headless ] && command -v javac >/dev/null
}

# Programs are wanted, not a server: without this file the package makes a cluster and starts it.
keep_postgresql_quiet() {
  local settings=/etc/postgresql-common/createcluster.conf
  if [ -e "$settings" ]; then
    return
  fi
  say "writing $settings, so that the package postgresql starts no server on this machine"
  as_root install -d -m 755 /etc/postgresql-common
  echo 'create_main_cluster = false' | as_root tee "$settings" >/dev/null
}

install_packages() {
  local id version package
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && echo "${ID:-unknown}")
  # shellcheck source=/dev/null
  version=$(. /etc/os-release && echo "${VERSION_ID:-unknown}")
  case "$id-$version" in
    debian-12 | debian-13) ;;
    *) say "WARNING: this is $id $version; tested are Debian 12 and 13 only" ;;
  esac
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here: install by hand what these Debian packages hold: ${PACKAGES[*]}"
    return
  fi
  missing=()
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ "${#missing[@]}" -eq 0 ]; then
    return
  fi
  say "installing with apt-get: ${missing[*]}"
  as_root apt-get update -qq
  case " ${missing[*]} " in *" postgresql "*) keep_postgresql_quiet ;; esac
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

make_environment() {
  local stamp=.venv/.lpse-ops-ready wanted
  wanted=$(cat pyproject.toml uv.lock scripts/setup.sh | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  if [ ! -x .venv/bin/python ]; then
    say "making a virtual environment in .venv with ${PYTHON:-python3}"
    "${PYTHON:-python3}" -m venv .venv
  fi
  local uv
  uv=$(command -v uv || true)
  if [ -z "$uv" ]; then
    say "installing uv $UV_VERSION into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    uv=.venv/bin/uv
  fi
  say "installing the Python packages of uv.lock into .venv"
  # Inexact: uv itself may live in .venv. Never another Python than the one of .venv.
  UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --frozen --inexact
  echo "$wanted" >"$stamp"
}

install_packages
make_environment

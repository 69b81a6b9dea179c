# shellcheck shell=dash
# PostgreSQL on this host: what can be seen without it, and one way to ask it.

# One query, one row, one column. Asks as the account postgres over the local socket, never waits long.
ask_database() {
  timeout "${2:-2}" setpriv --reuid=postgres --regid=postgres --init-groups \
    env -i LC_ALL=C.UTF-8 PGCONNECT_TIMEOUT=2 PGTZ=UTC \
    "/usr/lib/postgresql/$PG_VERSION/bin/psql" -XAtq -v ON_ERROR_STOP=1 -h /var/run/postgresql -p "$PG_PORT" -d postgres -c "$1" \
    </dev/null 2>/dev/null
}

# Whether a postmaster works on the data directory, answering or not.
database_runs() {
  local pid=
  [ -n "$PG_DATA" ] && [ -r "$ROOT$PG_DATA/postmaster.pid" ] || return 1
  read -r pid <"$ROOT$PG_DATA/postmaster.pid" || return 1
  is_number "$pid" || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$ROOT$PG_DATA")" ]
}

is_standby_data() { [ -n "$PG_DATA" ] && [ -e "$ROOT$PG_DATA/standby.signal" ]; }

has_data() { [ -n "$PG_DATA" ] && [ -e "$ROOT$PG_DATA/PG_VERSION" ]; }

# Set DATA_SYSTEM, DATA_TIMELINE and DATA_CHECKPOINT from the control file, empty when there is none.
read_control() {
  local line
  DATA_SYSTEM='' DATA_TIMELINE='' DATA_CHECKPOINT=''
  has_data || return 0
  while IFS= read -r line; do
    case $line in
    "Database system identifier:"*) DATA_SYSTEM=${line##* } ;;
    "Latest checkpoint's TimeLineID:"*) DATA_TIMELINE=${line##* } ;;
    "Latest checkpoint location:"*) DATA_CHECKPOINT=${line##* } ;;
    esac
  done <<END
$("$ROOT/usr/lib/postgresql/$PG_VERSION/bin/pg_controldata" -D "$ROOT$PG_DATA" 2>/dev/null || true)
END
  is_number "$DATA_SYSTEM" 20 || DATA_SYSTEM=
  is_number "$DATA_TIMELINE" || DATA_TIMELINE=
  is_lsn "$DATA_CHECKPOINT" || DATA_CHECKPOINT=
}

# Given a timeline, print as JSON where each of its ancestors was left, the oldest first: what PostgreSQL keeps beside its log.
timeline_history() {
  local file
  file=$ROOT$PG_DATA/pg_wal/$(printf '%08X' "$1").history
  printf '['
  [ ! -r "$file" ] || awk -F '\t' '
    $1 ~ /^[0-9]+$/ && $2 ~ /^[0-9A-F]+\/[0-9A-F]+$/ { printf "%s{\"timeline\":%d,\"until\":\"%s\"}", (n++ ? "," : ""), $1, $2 }' "$file"
  printf ']'
}

# Whether this host could take a write at this moment: the voters tell each other.
writes_now() {
  [ -e "$RUN/open.conf" ] && database_runs && ! is_standby_data
}

WHOLE="${WHOLE-} database"

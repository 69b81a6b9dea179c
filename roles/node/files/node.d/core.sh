# shellcheck shell=dash
# What every verb stands on: answers, options, patterns, durable files, the fencing token.
# Variables in capitals are shared between the files of this folder.
# shellcheck disable=SC2034

ANSWERED=
OPT_RUN='' OPT_TOKEN='' OPT_HOLDER='' OPT_ACTIVE='' OPT_SYSTEM='' OPT_REASON='' OPT_TIMEOUT='' OPT_FOR='' OPT_ABOVE='' OPT_FROM='' OPT_UNTIL='' OPT_TIMELINE=''

# --- answers ---------------------------------------------------------------------------------------------------------

# The one line of the answer.
say() {
  ANSWERED=1
  printf '%s\n' "$1"
}

# Given text, print it as a JSON string. Control characters become spaces, what is no UTF-8 is left out.
jstr() {
  case $1 in
  *[!A-Za-z0-9\ ._:/@+,=\(\)\;-]*)
    printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037\177' ' ' | iconv -c -f UTF-8 -t UTF-8 | sed 's/[\\"]/\\&/g')"
    ;;
  *) printf '"%s"' "$1" ;;
  esac
}

ascii() { printf '%s' "$1" | LC_ALL=C tr -c '\040-\176' '?'; }

# The same, but null for empty text.
jnull() {
  if [ -n "$1" ]; then jstr "$1"; else printf null; fi
}

usage() {
  say "{\"error\":$(jstr "$1")}"
  exit 2
}

# Given all the reasons, one an argument.
refuse() {
  local list='' reason
  for reason; do list="$list${list:+,}$(jstr "$reason")"; done
  say "{\"reasons\":[$list]}"
  exit 3
}

fail() {
  say "{\"error\":$(jstr "$1")}"
  exit 4
}

# EXIT trap: whatever went wrong, the caller gets an answer and not a mere exit code.
finish() {
  [ -z "${SCRATCH-}" ] || rm -rf "$SCRATCH"
  if [ -z "$ANSWERED" ] && [ "$1" -ne 0 ]; then
    printf '{"error":"lpse-node %s stopped with code %s; the journal of the system may say why"}\n' \
      "$(printf '%s' "${VERB-}" | tr -cd 'a-z-')" "$1"
    exit 4
  fi
}

# --- what this host is -----------------------------------------------------------------------------------------------

configure() {
  ETC=$ROOT/etc/lpse-ops
  VAR=$ROOT/var/lib/lpse-ops
  RUN=$ROOT/run/lpse
  VERSION='' SITE='' NODE='' ROLE='' PEERS='' SERVICE_ADDRESS='' SERVICE_PREFIX='' SERVICE_INTERFACE='' INSTANCE='' APP_UNIT='' APP_URL=''
  DOCUMENTS='' PG_VERSION='' PG_CLUSTER='' PG_DATA='' PG_PORT='' PG_UNIT='' DATABASE='' TIME_ZONE=''
  [ -r "$ETC/node.conf" ] || fail "this host is not configured: $ETC/node.conf is missing; run lpse-ops provision"
  # shellcheck disable=SC1091
  . "$ETC/node.conf"
  { is_name "$SITE" && is_name "$NODE" && [ -n "$VERSION" ]; } || fail "$ETC/node.conf is incomplete; run lpse-ops provision"
  [ -d "$RUN" ] || install -d -m 0755 "$RUN"
  [ -d "$VAR/journal" ] || install -d -m 0750 "$VAR" "$VAR/journal"
}

# --- options and patterns --------------------------------------------------------------------------------------------

# Given the names of the options a verb takes, then its arguments; sets OPT_*.
options() {
  local allowed="$1" name
  shift
  while [ $# -gt 0 ]; do
    name=${1#--}
    case " $allowed " in
    *" $name "*) ;;
    *) usage "$VERB takes no argument like this: $1" ;;
    esac
    [ "$1" != "$name" ] && [ $# -ge 2 ] || usage "$VERB: --$name needs a value"
    case $name in
    run) is_run "$2" && OPT_RUN=$2 ;;
    token) is_number "$2" && OPT_TOKEN=$2 ;;
    above) is_number "$2" && OPT_ABOVE=$2 ;;
    holder) is_text "$2" && OPT_HOLDER=$2 ;;
    reason) is_text "$2" && OPT_REASON=$2 ;;
    active) is_name "$2" && OPT_ACTIVE=$2 ;;
    system-id) is_number "$2" 20 && OPT_SYSTEM=$2 ;;
    timeout) is_number "$2" 4 && OPT_TIMEOUT=$2 ;;
    for) is_seconds "$2" && OPT_FOR=$2 ;;
    from) is_lsn "$2" && OPT_FROM=$2 ;;
    until) is_lsn "$2" && OPT_UNTIL=$2 ;;
    timeline) is_number "$2" 9 && OPT_TIMELINE=$2 ;;
    esac || usage "$VERB: --$name: this value is not allowed: $2"
    shift 2
  done
}

is_name() {
  case $1 in
  '' | *[!a-z0-9-]* | -*) return 1 ;;
  esac
  [ ${#1} -le 63 ]
}

is_run() {
  case $1 in
  '' | *[!A-Za-z0-9._-]* | [.-]*) return 1 ;;
  esac
  [ ${#1} -le 80 ]
}

# Digits without leading zeros; 15 of them stay exact in every shell's arithmetic.
is_number() {
  case $1 in
  0) return 0 ;;
  '' | *[!0-9]* | 0*) return 1 ;;
  esac
  [ ${#1} -le "${2:-15}" ]
}

is_seconds() {
  case $1 in
  '' | *[!0-9.]* | *.*.* | .* | *.) return 1 ;;
  esac
  [ ${#1} -le 6 ]
}

# A place in PostgreSQL's log.
is_lsn() {
  case $1 in
  */*/* | /* | */) return 1 ;;
  */*) ;;
  *) return 1 ;;
  esac
  case $1 in *[!0-9A-F/]*) return 1 ;; esac
  [ ${#1} -le 17 ]
}

is_text() {
  case $1 in
  '' | *[[:cntrl:]]*) return 1 ;;
  esac
  [ ${#1} -le 500 ]
}

is_address() {
  printf '%s\n' "$1" | grep -qxE '((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
}

now() { date +%s.%3N; }

# --- durable files ---------------------------------------------------------------------------------------------------

# Given a path and a line: after success the file holds that line whatever happens to the power; before, the old one.
store() {
  local new="$1.new"
  printf '%s\n' "$2" >"$new" || return 1
  sync "$new" || return 1
  mv -f "$new" "$1" || return 1
  sync "${1%/*}"
}

# The same for files that need not outlive the power (on tmpfs): readable for all, never half-written.
place() {
  local new="$1.new.$$"
  printf '%s\n' "$2" >"$new" || return 1
  chmod 0644 "$new" || return 1
  mv -f "$new" "$1"
}

scratch() {
  [ -n "${SCRATCH-}" ] || SCRATCH=$(mktemp -d "$RUN/work.XXXXXX")
}

# --- locks between verbs ---------------------------------------------------------------------------------------------

# Given the name of what a verb changes: wait for other verbs that change it. Held until the verb ends.
exclusively() {
  exec 9>>"$RUN/$1.lock"
  flock -w 60 9 || fail "another command is at work on the same thing ($1) and does not end"
}

read_token() {
  TOKEN=0 TOKEN_RUN=''
  [ -e "$VAR/token" ] || return 0
  TOKEN=
  read -r TOKEN TOKEN_RUN <"$VAR/token" || true
  { is_number "$TOKEN" && is_run "$TOKEN_RUN"; } ||
    refuse "the fencing token in $VAR/token cannot be read: make sure that no run is at work, then write '0 none' into it"
}

# Refuse a command of a run that lost the lock. Commands of the newest run share the door; one of a newer run first
# waits until those of older ones are through, so that two runs never act at the same time.
claim_token() {
  [ -n "$OPT_RUN" ] && [ -n "$OPT_TOKEN" ] || usage "$VERB needs --run and --token"
  exec 8>>"$RUN/token.lock"
  flock -s -w 60 8 || fail "a command of a newer run waits to act"
  read_token
  if [ "$OPT_TOKEN" -gt "$TOKEN" ]; then
    flock -x -w 90 8 || fail "a command of run ${TOKEN_RUN:-?} is still at work; try again"
    read_token
    if [ "$OPT_TOKEN" -gt "$TOKEN" ]; then
      store "$VAR/token" "$OPT_TOKEN $OPT_RUN" || fail "the fencing token cannot be written: is the disk full?"
    fi
    flock -s -w 60 8 || fail "a command of a newer run waits to act"
    read_token
  fi
  [ "$OPT_TOKEN" -eq "$TOKEN" ] ||
    refuse "run $OPT_RUN has token $OPT_TOKEN, but this host has seen $TOKEN (run $TOKEN_RUN): another run has taken over"
  [ "$OPT_RUN" = "$TOKEN_RUN" ] ||
    refuse "token $OPT_TOKEN belongs to run $TOKEN_RUN, not to $OPT_RUN: take the lock anew"
}

# Let newer runs in again: for what only waits and looks.
release_token() { exec 8>&-; }

# Given a time of `now`, print the seconds since.
since() { now | awk -v begin="$1" '{ printf "%.3f", $1 - begin }'; }

WHOLE="${WHOLE-} core"

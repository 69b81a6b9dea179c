# shellcheck shell=dash
# The return guard: what it has decided since this boot, and the two locks on the door.
#   lock 1: ExecStartPre of the units calls `guard require`
#   lock 2: postgresql.conf includes /run/lpse/open.conf, which only the guard and promote write

guard() {
  local what="${1-}"
  [ $# -eq 0 ] || shift
  case $what in
  run) guard_run "$@" ;;
  require) guard_require "$@" ;;
  show) guard_show "$@" ;;
  *) usage "guard run | require [database|application|follower] | show" ;;
  esac
}

# Given a state and the reason, remember and tell it. Given `open`, true or false.
note_guard() {
  place "$RUN/guard.json" "{\"state\":\"$1\",\"open\":$3,\"reason\":$(jstr "$(ascii "$2")"),\"since\":$(now)}"
}

# Given active, released or standby and the reason: open lock 2 for it.
open_guard() {
  case $1 in
  standby) place "$RUN/open.conf" "# Written by lpse-node: this node follows.
hot_standby = on" || return 1 ;;
  *) place "$RUN/open.conf" "# Written by lpse-node: this node is the active one." || return 1 ;;
  esac
  note_guard "$1" "$2" true && rm -f "$ROOT/etc/issue.d/lpse-guard.issue"
}

# Set GUARD_STATE and GUARD_REASON of this boot.
read_guard() {
  local path kind value
  GUARD_STATE=none GUARD_REASON="the guard has not decided since this host started (systemctl status lpse-guard)"
  [ -r "$RUN/guard.json" ] || return 0
  while IFS='	' read -r path kind value; do
    case $path in
    state) GUARD_STATE=$value ;;
    reason) GUARD_REASON=$value ;;
    esac
  done <<END
$(awk -v mode=flat -f "$LIB/json.awk" "$RUN/guard.json" || true)
END
  : "$kind"
}

# The answer of `observe`: state, open, reason and nothing else.
guard_json() {
  read_guard
  printf '{"state":"%s","open":%s,"reason":"%s"}' "$GUARD_STATE" "$([ -e "$RUN/open.conf" ] && echo true || echo false)" "$GUARD_REASON"
}

guard_show() {
  options "" "$@"
  load_record
  [ "$REC_STATE" = ok ] || REC_JSON=null
  say "{\"guard\":$(guard_json),\"record\":$REC_JSON,\"record_state\":\"$REC_STATE\",\"standby_data\":$(is_standby_data && echo true || echo false),\"locks\":{\"unit\":$([ -e "$ROOT/etc/systemd/system/$PG_UNIT.d/lpse-guard.conf" ] && echo true || echo false),\"include\":$([ -e "$RUN/open.conf" ] && echo true || echo false)}}"
}

# ExecStartPre of units: may this part of the host run? What happened since the guard decided counts too.
guard_require() {
  local part="${1:-database}" reason=
  case $part in database | application | follower) ;; *) usage "guard require [database|application|follower]" ;; esac
  [ $# -le 1 ] || usage "guard require takes one part"
  read_guard
  load_record
  reason=$(against_start "$part")
  if [ -z "$reason" ]; then
    say "{\"open\":true,\"state\":\"$GUARD_STATE\"}"
    return 0
  fi
  # For the person who reads the journal of the unit.
  printf 'lpse-guard: this host stays closed (%s): %s\n' "$part" "$reason" >&2
  say "{\"reasons\":[$(jstr "$reason")]}"
  exit 1
}

# Print why the part must not start, or nothing.
against_start() {
  [ -e "$RUN/open.conf" ] || { echo "$GUARD_REASON" && return 0; }
  [ "$REC_STATE" = ok ] || { echo "the epoch record of this host is gone or unreadable" && return 0; }
  case $1:$GUARD_STATE in
  database:active | database:released)
    [ "$REC_ACTIVE" = "$NODE" ] || echo "the record (epoch $REC_EPOCH) now names $REC_ACTIVE active"
    ;;
  database:standby)
    is_standby_data || echo "this node follows, but its data has no standby.signal: it would open for writes"
    ;;
  # Beside a promotion that runs, the guard still says standby: the record decides.
  application:active | application:released | application:standby)
    [ "$REC_ACTIVE" = "$NODE" ] || echo "this node follows $REC_ACTIVE: its application is stopped, its scheduled jobs must not run twice"
    ;;
  follower:standby)
    [ "$REC_ACTIVE" != "$NODE" ] || echo "the record (epoch $REC_EPOCH) names this node active: it follows nobody"
    ;;
  follower:*) echo "this node is no standby (guard: $GUARD_STATE)" ;;
  *) echo "$GUARD_REASON" ;;
  esac
}

WHOLE="${WHOLE-} guard"

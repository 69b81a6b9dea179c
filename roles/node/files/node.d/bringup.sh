# shellcheck shell=dash
# guard run: decide after a start of the host, for as long as it takes; then bring up what the decision allows.

# One look at the facts. Sets STATE, FINAL and REASON.
guard_look() {
  local standby=no votes='' released=''
  load_record
  ! is_standby_data || standby=yes
  read_control
  if [ "$REC_STATE" = ok ] && [ "$REC_ACTIVE" = "$NODE" ] && [ "$standby" = no ]; then
    ask_voters
    votes=${VOTES-}
    load_record
    released=$(released_epoch)
  fi
  decide "$NODE" "$REC_STATE" "$REC_EPOCH" "$REC_ACTIVE" "$REC_SYSTEM" "$standby" "$released" "$DATA_SYSTEM" "$votes"
  # A guard that is started again on a node at work does not stop it because nobody answers; only a newer epoch does.
  if [ "$STATE" = holding ] && [ "$REC_STATE" = ok ] && [ "$REC_ACTIVE" = "$NODE" ] && writes_now; then
    read_guard
    case $GUARD_STATE in active | released) STATE=$GUARD_STATE FINAL=yes REASON="open since before; now $REASON" ;; esac
  fi
}

# The epoch an operator released the guard for, since this boot.
released_epoch() {
  awk -v mode=flat -f "$LIB/json.awk" "$RUN/release.json" 2>/dev/null | awk -F '\t' '$1 == "epoch" && $2 == "n" { print $3 }' || true
}

guard_run() {
  local delay=1 told=
  options "" "$@"
  [ "$ROLE" = node ] || refuse "$NODE is no node: it has nothing to guard"
  while :; do
    exec 9>>"$RUN/guard.lock"
    flock -w 120 9 || fail "another command changes the guard and does not end"
    guard_look
    case $STATE in
    active | released | standby) open_guard "$STATE" "$REASON" || fail "$RUN/open.conf cannot be written" ;;
    *) [ "$told" = "$STATE $REASON" ] || shut ;;
    esac
    exec 9>&-
    [ "$told" = "$STATE $REASON" ] || tell
    told="$STATE $REASON"
    [ "$FINAL" = no ] || break
    sleep "$delay"
    [ "$delay" -ge 5 ] || delay=$((delay + 1))
  done
  case $STATE in
  active | released) bring_up_active ;;
  standby) bring_up_standby ;;
  esac
  say "{\"state\":\"$STATE\",\"reason\":$(jstr "$REASON")}"
}

# Close whatever is open. Lock 2 goes first: from then on nothing starts again.
shut() {
  note_guard "$STATE" "$REASON" false
  rm -f "$RUN/open.conf" "$RUN/serving"
  if has_address_settings; then give_address || true; fi
  stop_application || true
  if database_runs; then systemctl stop "$PG_UNIT" >/dev/null 2>&1 || true; fi
  systemctl stop lpse-active.target lpse-follow.service >/dev/null 2>&1 || true
}

# Say it where a technician stands: journal, console, everybody logged in, and the next login prompt.
tell() {
  printf 'lpse-guard: %s: %s\n' "$STATE" "$REASON" >&2
  case $STATE in active | released | standby) return 0 ;; esac
  install -d -m 0755 "$ROOT/etc/issue.d"
  place "$ROOT/etc/issue.d/lpse-guard.issue" "
LPSE $SITE, $NODE: SERVER INI TETAP TERTUTUP / THIS SERVER STAYS CLOSED ($STATE)
$REASON
Periksa / see: lpse-node guard show
" || true
  [ -z "$ROOT" ] || return 0
  { printf '\nlpse-guard: %s\n' "$REASON" >/dev/console; } 2>/dev/null || true
  printf 'lpse-guard (%s): %s\n' "$STATE" "$REASON" | wall 2>/dev/null || true
}

step() { note_guard "$STATE" "$REASON; $1" true; }

# The notice page first, then the database, the application, the public. A step that fails ends this start of the
# service; systemd starts it again, and every step looks before it acts.
bring_up_active() {
  if ! holds_address; then
    step "waiting until nobody answers for $SERVICE_ADDRESS"
    while probe_address "$SERVICE_ADDRESS" 1 && [ -n "$ANSWERED_BY" ] && [ "$ANSWERED_BY" != self ]; do
      step "$SERVICE_ADDRESS is answered by $ANSWERED_BY: switch that off"
      sleep 2
    done
    take_address || fail "the address $SERVICE_ADDRESS cannot be added to $SERVICE_INTERFACE"
  fi
  step "starting PostgreSQL"
  start_database
  step "starting the application"
  if ! application_ready; then
    begin_application || fail "$APP_UNIT cannot be started: $(unit_words "$APP_UNIT")"
    await_application 600 || fail "$WHY"
  fi
  WHY=$(against_opening) || WHY="what stands against it could not be found out"
  [ -z "$WHY" ] || { step "not open to the public: $WHY" && fail "not open to the public: $WHY"; }
  open_to_public || fail "$RUN/serving cannot be written"
  step "serving"
}

bring_up_standby() {
  start_database
  if [ "$REC_ACTIVE" != "$NODE" ] && systemctl cat lpse-follow.service >/dev/null 2>&1; then
    systemctl start --no-block lpse-follow.service >/dev/null 2>&1 || true
  fi
}

# Crash recovery and catching up take what they take: as long as the postmaster lives, this waits.
start_database() {
  database_runs || systemctl start "$PG_UNIT" >/dev/null 2>&1 || fail "PostgreSQL does not start: see journalctl -u $PG_UNIT"
  until [ -n "$(ask_database "SELECT 1")" ]; do
    database_runs || fail "PostgreSQL has stopped again: see its log"
    sleep 0.5
  done
}

WHOLE="${WHOLE-} bringup"

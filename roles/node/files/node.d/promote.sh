# shellcheck shell=dash
# promote: the standby becomes the database that takes writes.

promote() {
  local begin state line resumed=false
  options "run token timeout" "$@"
  [ "$ROLE" = node ] || refuse "$NODE is no node: it carries no database to promote"
  begin=$(now)
  claim_token
  exclusively guard
  require_active
  # The door first: from here on a crash and a restart of PostgreSQL on this host come up again.
  open_guard active "epoch $REC_EPOCH, promoted by run $OPT_RUN" || fail "$RUN/open.conf cannot be written"
  # Rule 9: from here on nothing is fetched from whoever was active before.
  systemctl stop --no-block lpse-follow.service >/dev/null 2>&1 || true
  if ! database_runs; then
    systemctl start "$PG_UNIT" >/dev/null 2>&1 || fail "PostgreSQL does not start: see journalctl -u $PG_UNIT"
  fi
  state=$(ask_database "SELECT pg_is_in_recovery()" 10) || fail "PostgreSQL does not answer"
  if [ "$state" = t ]; then
    # Somebody had paused replay. All that was received is replayed before a promotion ends in any case; so it goes on
    # before, and the answer says so. (PostgreSQL 13 would wait for ever.)
    if [ "$(ask_database "SELECT pg_is_wal_replay_paused()")" = t ]; then
      ask_database "SELECT pg_wal_replay_resume()" >/dev/null || fail "replay is paused and cannot be resumed"
      resumed=true
    fi
    [ "$(ask_database "SELECT pg_promote(true, ${OPT_TIMEOUT:-60})" "$((${OPT_TIMEOUT:-60} + 5))")" = t ] ||
      fail "PostgreSQL was told to become writable but has not finished within ${OPT_TIMEOUT:-60} s"
  fi
  line=$(ask_database "SELECT json_build_object('timeline', ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int, 'lsn', pg_current_wal_lsn(), 'already', '$state' = 'f')") ||
    fail "PostgreSQL does not answer after its promotion"
  # From here on there are transactions that no other host has.
  note_unprotected "$(now)" "promoted by run $OPT_RUN" || true
  say "{\"promoted\":true,\"resumed\":$resumed,\"seconds\":$(since "$begin"),${line#\{}"
}

WHOLE="${WHOLE-} promote"

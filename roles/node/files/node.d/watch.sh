# shellcheck shell=dash
# watch: what the node that takes the writes looks after while it does: since when it is alone with them, whether another
# node was made active meanwhile, whether the repository has witnessed its record. For ever; lpse-watch.service runs it.

WATCH_S=5   # between two looks
RARELY=12   # every so many looks a standby that streams is asked whether its documents agree
SELDOM=3    # every so many looks the voters are asked while no standby streams

watch() {
  local count=0
  options "" "$@"
  [ "$ROLE" = node ] || refuse "$NODE is no node: it takes no writes"
  trap 'exit 0' TERM
  # Its own, by name: a folder of a verb (work.*) that lies about for long means that one was killed.
  SCRATCH=$RUN/watch
  mkdir -p "$SCRATCH"
  while :; do
    watch_look "$count" || true
    count=$((count + 1))
    sleep "$WATCH_S"
  done
}

# Given how many looks there were.
watch_look() {
  local peer
  load_record
  if [ "$REC_STATE" = ok ] && [ "$REC_ACTIVE" != "$NODE" ]; then
    rm -f "$VAR/unprotected.json" "$VAR/protected"
    return 0
  fi
  [ "$REC_STATE" = ok ] && writes_now || return 0
  peer=$(streaming_peer) || return 0
  if [ -z "$peer" ]; then
    note_unprotected "$(protected_until)" "no standby streams"
    [ $(($1 % SELDOM)) -ne 0 ] || ask_about_epoch
    return 0
  fi
  [ "$REC_WITNESSED" = true ] || [ $(($1 % SELDOM)) -ne 0 ] || ask_about_epoch
  if [ -e "$VAR/unprotected.json" ] || [ $(($1 % RARELY)) -eq 0 ]; then
    ask_voters "$peer"
    if [ "$(printf '%s' "$VOTES" | awk '{ print $7 }')" != true ]; then
      note_unprotected "$(protected_until)" "the documents of $peer do not agree"
      return 0
    fi
  fi
  [ ! -e "$VAR/unprotected.json" ] || { rm -f "$VAR/unprotected.json" && sync "$VAR"; }
  touch "$VAR/protected"
}

# Print the voter whose database streams from here, nothing if none does; fail if the database does not answer. A standby
# reports every second; PostgreSQL itself takes a minute to notice that one is gone without a word.
streaming_peer() {
  local name names
  names=$(ask_database "SELECT coalesce(string_agg(application_name, ' '), '') FROM pg_stat_replication
    WHERE state = 'streaming' AND reply_time > clock_timestamp() - interval '$FRESH_S s'" && echo .) || return 1
  for name in ${names%.}; do
    case " $PEERS" in *" $name="*) printf '%s' "$name" && return 0 ;; esac
  done
}

# When this node was last seen protected; now, if it never was.
protected_until() { stat -c %Y "$VAR/protected" 2>/dev/null || now; }

clock_runs() { awk -v mode=flat -f "$LIB/json.awk" "$VAR/unprotected.json" >/dev/null 2>&1; }

# Given since when and why: start the clock, unless it runs.
note_unprotected() {
  clock_runs || store "$VAR/unprotected.json" "{\"since\":$1,\"reason\":$(jstr "$2")}"
}

# No standby follows: it may have been made active in this node's place, by people who took this node for dead. Then the
# guard closes this host. And a record that the repository has seen meanwhile is witnessed.
ask_about_epoch() {
  local higher
  ask_voters
  load_record
  [ "$REC_STATE" = ok ] || return 0
  higher=$(printf '%s' "$VOTES" | awk -v own="$REC_EPOCH" -v me="$NODE" '$2 == "answer" && $3 > own + 0 && $4 != me { print $1 }')
  if [ -n "$higher" ]; then
    printf 'lpse-watch: a higher epoch is known to %s: the guard decides again\n' "$(printf '%s' "$higher" | tr '\n' ' ')" >&2
    systemctl restart --no-block lpse-guard.service >/dev/null 2>&1 || true
  elif [ "$REC_WITNESSED" = false ]; then
    "$0" epoch adopt >/dev/null 2>&1 || true
  fi
}

WHOLE="${WHOLE-} watch"

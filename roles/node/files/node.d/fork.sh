# shellcheck shell=dash
# fork: what this host's log holds beyond a place. Read from the files: PostgreSQL is not started for it, nothing is changed.

fork() {
  local folder code=0 seen error=
  options "from until timeline" "$@"
  [ -n "$OPT_FROM" ] && [ -n "$OPT_TIMELINE" ] || usage "fork needs --from LSN and --timeline N"
  { [ "$ROLE" = node ] && has_data; } || refuse "there is no database here"
  folder=$ROOT$PG_DATA/pg_wal
  scratch
  # Its own end is where a record no longer fits: pg_waldump calls that an error.
  seen=$({
    TZ=UTC timeout 300 "$ROOT/usr/lib/postgresql/$PG_VERSION/bin/pg_waldump" --path="$folder" --timeline="$OPT_TIMELINE" \
      --start="$OPT_FROM" ${OPT_UNTIL:+--end="$OPT_UNTIL"} 2>"$SCRATCH/fork.error" || echo "exit $?"
  } | read_log)
  code=${seen##* }
  seen=${seen% *}
  IFS='' read -r error <"$SCRATCH/fork.error" || true
  case $code:$error in
  0:* | *"could not find a valid record"*) error= ;; # nothing comes after the place
  124:*) error="reading the log takes too long" ;;
  *) case $seen in '"records":0,'*) ;; *) error= ;; esac ;;
  esac
  say "{$seen,\"complete\":$([ -z "$error" ] && echo true || echo false),\"error\":$(jnull "$error")}"
}

# pg_waldump's lines in; as JSON how many records and commits there are, the last ones' place and time, then its exit code.
read_log() {
  awk '
    function place(  rest) {
      rest = substr($0, index($0, " lsn: ") + 6)
      return substr(rest, 1, index(rest, ",") - 1)
    }
    /^exit [0-9]+$/ { code = $2; next }
    /^rmgr: / {
      records++
      last = place()
      size = $0
      sub(/^.*len \(rec\/tot\): *[0-9]+\/ */, "", size)
      size += 0
    }
    / desc: COMMIT/ && match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9:.]+ UTC/) {
      commits++
      time = substr($0, RSTART, RLENGTH)
      if (commits == 1) first = time
    }
    function text(value) { return value == "" ? "null" : "\"" value "\"" }
    END {
      printf "\"records\":%d,\"last\":%s,\"last_bytes\":%d,\"commits\":%d,\"first_commit\":%s,\"last_commit\":%s %d", records, text(last), size, commits, text(first), text(time), code
    }'
}

WHOLE="${WHOLE-} fork"

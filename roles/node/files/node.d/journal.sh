# shellcheck shell=dash
# lock: one run at a time. journal-append: the second, fsynced copy of a run's journal.

# Holds the lock of the site until the input ends: a controller that dies or is cut off frees it (sshd notices a dead
# peer within 15 s: ClientAliveInterval of lpse-hot). The counter is on the disk before anybody hears of the token.
hold_lock() {
  local since
  options "run holder above" "$@"
  [ -n "$OPT_RUN" ] && [ -n "$OPT_HOLDER" ] || usage "lock needs --run and --holder"
  exec 7>>"$RUN/lock"
  if ! flock -n 7; then
    if [ -s "$RUN/lock.json" ]; then
      say "$(cat "$RUN/lock.json")"
    else
      say '{"holder":null,"run":null,"since":null}'
    fi
    exit 6
  fi
  since=$(now)
  place "$RUN/lock.json" "{\"holder\":$(jstr "$OPT_HOLDER"),\"run\":$(jstr "$OPT_RUN"),\"since\":$since}"
  raise_token
  say "{\"token\":$TOKEN}"
  while IFS= read -r _; do :; done
  rm -f "$RUN/lock.json"
}

# One more than this host has seen, and more than --above: what the controller saw on the other hosts.
raise_token() {
  exec 8>>"$RUN/token.lock"
  flock -x -w 90 8 || fail "a command of an earlier run is still at work; try again"
  read_token
  [ "$TOKEN" -ge "${OPT_ABOVE:-0}" ] || TOKEN=$OPT_ABOVE
  TOKEN=$((TOKEN + 1))
  store "$VAR/token" "$TOKEN $OPT_RUN" || fail "the fencing token cannot be written: is the disk full?"
  exec 8>&-
}

# One answer a line, once the line is on the disk. A line that the end of the input cut short is not taken.
journal_append() {
  local file line seq=0 again=
  options "run" "$@"
  [ -n "$OPT_RUN" ] || usage "journal-append needs --run"
  file=$VAR/journal/$OPT_RUN.jsonl
  exec 9>>"$RUN/journal-$OPT_RUN.lock"
  # A connection that was cut off may take 15 s to be noticed.
  flock -w 20 9 || refuse "the journal of run $OPT_RUN is being written by another connection"
  if [ -s "$file" ]; then
    # What a power cut tore stays a line of its own.
    [ "$(tail -c 1 "$file" | wc -l)" -eq 1 ] || printf '\n' >>"$file"
    seq=$(wc -l <"$file")
    # A line may be here and its writer have died before it was flushed: it is vouched for below.
    sync "$file" || fail "the journal cannot be flushed to the disk"
    again=yes
  else
    : >>"$file"
    sync "$VAR/journal"
  fi
  # Its answers are one a line of input; none is no fault.
  # shellcheck disable=SC2034
  ANSWERED=1
  while IFS= read -r line; do
    case $line in
    '{'*'}') ;;
    *) say "{\"error\":\"a line of the journal is one JSON object\"}" && exit 2 ;;
    esac
    # A resume sends all from the beginning: what is here already is not written twice.
    if [ -n "$again" ] && printf '%s\n' "$line" | grep -qxFf - "$file"; then
      sync "$file" || fail "the journal cannot be flushed to the disk"
      say "{\"seq\":$seq}"
      continue
    fi
    { printf '%s\n' "$line" >>"$file" && sync "$file"; } || fail "the journal cannot be written: is the disk full?"
    seq=$((seq + 1))
    say "{\"seq\":$seq}"
  done
}

WHOLE="${WHOLE-} journal"

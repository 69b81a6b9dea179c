# shellcheck shell=dash
# lock: one run at a time.

# Holds the lock of the site until the input ends: a controller that dies or is cut off frees it (sshd notices a dead
# peer within 15 s: ClientAliveInterval of lpse-hot). The counter is on the disk before anybody hears of the token.
# With --reason a lock that another connection holds is taken from it; its run learns a lower token the hard way.
hold_lock() {
  local since taken=
  options "run holder above reason" "$@"
  [ -n "$OPT_RUN" ] && [ -n "$OPT_HOLDER" ] || usage "lock needs --run and --holder"
  [ -z "$OPT_REASON" ] || [ ${#OPT_REASON} -ge 10 ] || usage "lock --reason needs at least ten letters: it goes into the records"
  exec 7>>"$RUN/lock"
  if ! flock -n 7; then
    taken=$(lock_holder)
    if [ -z "$OPT_REASON" ]; then
      say "$taken"
      exit 6
    fi
    take_lock "$taken"
  fi
  since=$(now)
  place "$RUN/lock.json" "{\"holder\":$(jstr "$OPT_HOLDER"),\"run\":$(jstr "$OPT_RUN"),\"since\":$since}"
  place "$RUN/lock.pid" "$$"
  [ -n "$taken" ] || raise_token
  say "{\"token\":$TOKEN${taken:+,\"taken\":$taken}}"
  while IFS= read -r _; do :; done
  rm -f "$RUN/lock.json" "$RUN/lock.pid"
}

# A holder that ends at this moment takes its name along before it lets go.
lock_holder() {
  local line=
  IFS='' read -r line 2>/dev/null <"$RUN/lock.json" || true
  printf '%s\n' "${line:-{\"holder\":null,\"run\":null,\"since\":null\}}"
}

# The order matters: commands of the old run that are under way are waited for, later ones are refused by their token,
# and only then its connection loses the lock. Given who held it.
take_lock() {
  local pid=
  raise_token
  { printf '{"time":%s,"run":"%s","holder":%s,"reason":%s,"from":%s}\n' \
    "$(now)" "$OPT_RUN" "$(jstr "$OPT_HOLDER")" "$(jstr "$OPT_REASON")" "$1" >>"$VAR/locks-taken.jsonl" &&
    sync "$VAR/locks-taken.jsonl" "$VAR"; } || fail "the taking of the lock cannot be recorded: is the disk full?"
  read -r pid <"$RUN/lock.pid" 2>/dev/null || true
  # A number alone could by now be another process's: only one that has the lock open is ended.
  if is_number "$pid" && [ "$(readlink "/proc/$pid/fd/7" 2>/dev/null)" = "$RUN/lock" ]; then
    kill -KILL "$pid" 2>/dev/null || true
  fi
  flock -w 20 7 || fail "the lock was not let go: see which lpse-node processes run on $NODE"
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

WHOLE="${WHOLE-} lock"

# shellcheck shell=dash
# What a host adds to the proof that a node is dead: the standby listens to its WAL receiver; the repository switches the
# power where the controller cannot (fencing.from: repository).

# receiver --for SECONDS: whether the active node was heard on the WAL receiver's line within that time: WAL, a keepalive,
# or that its kernel acknowledged what it was told.
# After a power cut pg_stat_wal_receiver says `streaming` for a minute (wal_receiver_timeout): only what comes counts.
# `connected` is true where it still holds a connection, `last` the time of the newest message, by this host's clock.
receiver() {
  local begin first last message acknowledged heard=false connected=false
  options "for" "$@"
  [ "$ROLE" = node ] || refuse "$NODE is no node: it has no WAL receiver"
  begin=$(now)
  first=$(ask_receiver) || fail "PostgreSQL does not answer: what its WAL receiver hears is unknown"
  sleep "${OPT_FOR:-1}"
  last=$(ask_receiver) || fail "PostgreSQL does not answer: what its WAL receiver hears is unknown"
  # MESSAGE|PLACE: a receiver that has gone meanwhile has heard nothing, one that came anew has.
  case $last in
  '|'*) [ "${last#*|}" = "${first#*|}" ] || heard=true ;;
  *) [ "$last" = "$first" ] || heard=true ;;
  esac
  message=${last%%|*}
  [ -z "$message" ] || connected=true
  # A quiet database sends a keepalive every 5 s only; but what this host reports to it once a second, its kernel
  # acknowledges for as long as it lives.
  acknowledged=$(acknowledged_s) || fail "what the peers acknowledge cannot be seen (ss): silence that was not listened for is none"
  [ -z "$acknowledged" ] || heard=$(since "$begin" | awk -v heard=$heard -v ago="$acknowledged" '{ print (ago < $1) ? "true" : heard }')
  say "{\"heard\":$heard,\"connected\":$connected,\"acknowledged_s\":${acknowledged:-null},\"last\":${message:-null},\"place\":$(jnull "${last#*|}"),\"seconds\":$(since "$begin")}"
}

# How many seconds ago the kernel of a peer acknowledged something on a connection to its database; empty: there is none.
# ss leaves a 0 out: a connection without `lastack` was acknowledged this very millisecond.
acknowledged_s() {
  local lines
  lines=$(timeout 5 ss -tniHO state established "( dport = :$PG_PORT )" 2>/dev/null) || return 1
  printf '%s\n' "$lines" | awk -v peers=" $PEERS " '
    { peer = $4; sub(/:[0-9]+$/, "", peer) }
    peer != "" && index(peers, "=" peer " ") {
      ago = match($0, /lastack:[0-9]+/) ? substr($0, RSTART + 8, RLENGTH - 8) / 1000 : 0
      if (least == "" || ago < least) least = ago
    }
    END { if (least != "") printf "%.3f", least }'
}

ask_receiver() {
  ask_database "SELECT coalesce((SELECT extract(epoch FROM last_msg_receipt_time)::text FROM pg_stat_wal_receiver), ''), pg_last_wal_receive_lsn()"
}

# fence NODE status|off: how, stands in a file of root's that provision made; what came over the wire must be the same
# (a BMC that moved would switch off another machine). Input: those settings, then the secret, a line each.
# Answers the program's exit code and words; what they mean is for the controller.
fence() {
  local target="${1-}" order="${2-}" file settings secret='' told code=0
  is_name "$target" || usage "fence NODE status|off"
  case $order in status | off) shift 2 ;; *) usage "fence NODE status|off" ;; esac
  options "run token timeout" "$@"
  file=$ETC/fence/$target.json
  [ -r "$file" ] || refuse "$NODE was not told how the power of $target is switched: run lpse-ops provision"
  IFS= read -r settings || usage "fence: the settings are the first line of the input"
  IFS= read -r secret || true
  [ "$settings" = "$(cat "$file")" ] || refuse "$NODE knows other fencing settings of $target than the inventory: run lpse-ops provision"
  [ "$order" = status ] || claim_token
  scratch
  printf '%s\n' "$settings" | awk -v mode=flat -f "$LIB/json.awk" >"$SCRATCH/settings" || fail "$file cannot be read"
  SECRET=$secret METHOD=$(setting fence.method)
  case $METHOD in
  '' | agent | command) ;;
  *) refuse "$NODE has no way to switch the power of $target" ;;
  esac
  case $METHOD in
  '') fence_ipmi "$order" ;;
  agent) fence_agent "$order" ;;
  command) fence_command "$order" ;;
  esac >"$SCRATCH/said" 2>&1 || code=$?
  told=$(head -c 2000 "$SCRATCH/said" | tr '\n' ';')
  say "{\"code\":$code,\"said\":$(jstr "$told")}"
}

# Given the path of a scalar, print its value.
setting() { awk -F '\t' -v path="$1" '$1 == path { print substr($0, length($1 $2) + 3) }' "$SCRATCH/settings"; }

within() { timeout --kill-after=2 "${OPT_TIMEOUT:-20}" "$@"; }

# The password comes through a pipe, as to the others below: nothing is left of it, whoever is killed when.
fence_ipmi() {
  local retries=2
  [ "$1" != status ] || retries=1
  printf '%s' "$SECRET" | within ipmitool -v -I lanplus -N 1 -R "$retries" -C "$(setting bmc.cipher_suite)" -H "$(setting bmc.address)" \
    -p "$(setting bmc.port)" -U "$(setting bmc.user)" -f /dev/stdin chassis power "$1"
}

# An agent of fence-agents takes everything as KEY=VALUE on its input.
fence_agent() {
  local agent secret
  agent=$(setting fence.agent)
  case $agent in fence_*[!a-z0-9_]*) return 126 ;; fence_?*) ;; *) return 126 ;; esac
  [ -x "$ROOT/usr/sbin/$agent" ] || { echo "$agent: not found" && return 127; }
  secret=$(setting fence.secret_option)
  {
    awk -F '\t' 'index($1, "fence.options.") == 1 { print substr($1, 15) "=" substr($0, length($1 $2) + 3) }' "$SCRATCH/settings"
    printf 'action=%s\n' "$1"
    [ -z "$SECRET" ] || printf '%s=%s\n' "${secret:-password}" "$SECRET"
  } | within "$ROOT/usr/sbin/$agent"
}

# The site's own command, which only root may have written; the secret is its input.
fence_command() {
  local word
  set -- "$1"
  awk -F '\t' -v path="fence.power_$1." 'index($1, path) == 1 { print substr($0, length($1 $2) + 3) }' "$SCRATCH/settings" >"$SCRATCH/words"
  shift
  while IFS= read -r word; do set -- "$@" "$word"; done <"$SCRATCH/words"
  case ${1-} in /*) ;; *) return 126 ;; esac
  [ -x "$ROOT$1" ] || { echo "$1: not found" && return 127; }
  [ -z "$(find -L "$ROOT$1" -maxdepth 0 \( -perm /022 -o ! -user "$(id -u)" \))" ] || { echo "$1: others than root may write it" && return 126; }
  word=$ROOT$1
  shift
  printf '%s\n' "$SECRET" | within "$word" "$@"
}

WHOLE="${WHOLE-} fence"

# shellcheck shell=dash
# The other voters: answering them, and asking all of them at once over SSH with keys that serve nothing else.

ASK_S=8     # how long a voter may take
RELAY_S=4   # how long the repository asks others before it answers itself: well within ASK_S
FRESH_S=10  # a pass over the documents that is older says nothing about now

# Forced command of the account lpse-voter: a nonce in, this host's record out.
vote() {
  local nonce=
  options "" "$@"
  IFS='' read -r nonce || true
  case $nonce in
  '' | *[!0-9a-f]*) usage "vote expects a nonce of hexadecimal digits on its input" ;;
  esac
  [ ${#nonce} -ge 16 ] && [ ${#nonce} -le 64 ] || usage "vote expects a nonce of 16 to 64 digits"
  [ "$ROLE" != repository ] || hear_others
  load_record
  [ "$REC_STATE" = ok ] || REC_JSON=null
  say "{\"nonce\":\"$nonce\",\"site\":\"$SITE\",\"node\":\"$NODE\",\"record\":$REC_JSON,\"record_state\":\"$REC_STATE\",\"active_now\":$(writes_now && echo true || echo false),\"follows\":$(follows && echo true || echo false)}"
}

# The repository vouches for what the others know, too: it may have been away while a node was made active without it
# (unwitnessed), and its own old record would confirm the node that was active before. It only goes up; a repository
# without a record takes none here, or it would confirm whoever asks with that one's own word.
hear_others() {
  local higher
  load_record
  [ "$REC_STATE" = ok ] || return 0
  ASK_S=$RELAY_S
  ask_voters
  load_record
  higher=$(printf '%s' "$VOTES" | awk -v own="$REC_EPOCH" '$2 == "answer" && $3 > own + 0 { print $1 }')
  [ -z "$higher" ] || "$0" epoch adopt >/dev/null 2>&1 || true
}

# Whether this standby has all documents of the active node but those that are just coming in, by its follower's last
# pass, which is of now.
follows() {
  local time
  is_standby_data && database_runs || return 1
  time=$(now)
  awk -v mode=flat -f "$LIB/json.awk" "$RUN/documents.json" 2>/dev/null | awk -F '\t' -v now="$time" -v fresh="$FRESH_S" '
    { seen[$1] = $3 }
    END {
      complete = seen["behind"] == "0" || (seen["lag_s"] ~ /^[0-9]/ && seen["lag_s"] + 0 < fresh)
      exit !(seen["state"] == "following" && complete && seen["error"] == "null" && now - seen["last_pass"] < fresh)
    }'
}

# Given a voter's name and address, print its raw answer. Nothing of root's own SSH settings is used.
ask_voter() {
  local keys="$ETC/voter"
  timeout -k 1 "$ASK_S" ssh -F /dev/null -T -i "$keys/id_ed25519" \
    -o BatchMode=yes -o ConnectTimeout=3 -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o UserKnownHostsFile="$keys/peers/$1.host" -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias="$1" \
    -o UpdateHostKeys=no -o PreferredAuthentications=publickey -o ServerAliveInterval=2 -o ServerAliveCountMax=2 \
    -o LogLevel=ERROR -l lpse-voter "$2"
}

# Given a voter's name, the nonce it was sent and its answer, set the line VOTE:
# NAME STATUS EPOCH ACTIVE SYSTEM WRITES FOLLOWS.
# STATUS: answer, none (it has no record), bad (it cannot read its own), garbage (no answer that counts).
read_answer() {
  local name="$1" nonce="$2" answer="$3" flat path kind value state='' writes='' follows=- good=
  VOTE="$name garbage - - - - -"
  flat=$(printf '%s\n' "$answer" | awk -v mode=flat -f "$LIB/json.awk") || return 0
  while IFS='	' read -r path kind value; do
    case $path:$kind:$value in
    nonce:s:"$nonce" | site:s:"$SITE" | node:s:"$name") good="$good $path" ;;
    record_state:s:ok | record_state:s:none | record_state:s:bad) state=$value ;;
    active_now:b:*) writes=$value ;;
    follows:b:*) follows=$value ;;
    esac
  done <<END
$flat
END
  case $good in
  *nonce*) case $good in *site*) case $good in *node*) ;; *) return 0 ;; esac ;; *) return 0 ;; esac ;;
  *) return 0 ;;
  esac
  [ -n "$writes" ] || return 0
  case $state in
  ok)
    parse_record "$answer" record. && [ "$REC_SITE" = "$SITE" ] || return 0
    VOTE="$name answer $REC_EPOCH $REC_ACTIVE ${REC_SYSTEM:--} $writes $follows"
    ;;
  none | bad) VOTE="$name $state - - - $writes $follows" ;;
  esac
}

# Ask all peers side by side, or the one named; set VOTES, one line a peer as above (STATUS silent: it did not answer).
# REC_* are overwritten: load the own record afterwards.
ask_voters() {
  local peer name nonce answer asked=
  scratch
  nonce=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  for peer in $PEERS; do
    name=${peer%%=*}
    { is_name "$name" && is_address "${peer#*=}"; } || continue
    [ "${1:-$name}" = "$name" ] || continue
    asked="$asked $name"
    { printf '%s\n' "$nonce" | ask_voter "$name" "${peer#*=}" | head -c 4096; } \
      >"$SCRATCH/$name.answer" 2>"$SCRATCH/$name.error" 7>&- 8>&- 9>&- &
  done
  wait
  VOTES=
  for name in $asked; do
    answer=
    IFS='' read -r answer <"$SCRATCH/$name.answer" || true
    if [ -n "$answer" ]; then read_answer "$name" "$nonce" "$answer"; else VOTE="$name silent - - - - -"; fi
    VOTES="$VOTES$VOTE
"
  done
}

WHOLE="${WHOLE-} voters"

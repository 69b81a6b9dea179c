# shellcheck shell=dash
# epoch show | init | write | adopt

epoch() {
  local what="${1-}"
  [ $# -eq 0 ] || shift
  case $what in
  show) epoch_show "$@" ;;
  init) epoch_init "$@" ;;
  write) epoch_write "$@" ;;
  adopt) epoch_adopt "$@" ;;
  *) usage "epoch show | init --active NODE [--system-id ID] | write --run RUN --token N | adopt [--run RUN --token N]" ;;
  esac
}

epoch_show() {
  options "" "$@"
  load_record
  # shellcheck disable=SC2153
  case $REC_STATE in
  ok) say "{\"state\":\"ok\",\"record\":$REC_JSON}" ;;
  *) say "{\"state\":\"$REC_STATE\",\"record\":null}" ;;
  esac
}

is_voter() {
  case " $NODE= $PEERS" in
  *" $1="*) return 0 ;;
  esac
  return 1
}

# The first record of a site. Refused as soon as any voter has one: then there is something to adopt.
epoch_init() {
  local taken
  options "active system-id" "$@"
  [ -n "$OPT_ACTIVE" ] || usage "epoch init needs --active"
  is_voter "$OPT_ACTIVE" || refuse "$OPT_ACTIVE is no host of this site that $NODE knows"
  exclusively epoch
  ask_voters
  load_record
  [ "$REC_STATE" = none ] || refuse "this host has an epoch record already (state: $REC_STATE)"
  taken=$(printf '%s' "$VOTES" | awk '$2 == "answer" || $2 == "bad" { print $1 }' | tr '\n' ' ')
  [ -z "$taken" ] || refuse "other voters have an epoch record already: ${taken% }; use epoch adopt"
  if [ -z "$OPT_SYSTEM" ] && [ "$OPT_ACTIVE" = "$NODE" ]; then
    read_control
    OPT_SYSTEM=$DATA_SYSTEM
  fi
  REC_SITE=$SITE REC_SYSTEM=$OPT_SYSTEM REC_EPOCH=1 REC_ACTIVE=$OPT_ACTIVE REC_RUN=init REC_WITNESSED=true
  save_record
  say "{\"changed\":true,\"record\":$REC_JSON}"
}

# Given the new record in NEW_*, the own one in REC_*: refuse what would turn the clock back or contradict it.
# Equal epochs may only complete what was unknown: the system id, the witness.
refuse_unless_forward() {
  [ "$REC_STATE" = ok ] || return 0
  [ "$NEW_EPOCH" -ge "$REC_EPOCH" ] ||
    refuse "this host has epoch $REC_EPOCH ($REC_ACTIVE active): epoch $NEW_EPOCH is older"
  [ -z "$NEW_SYSTEM" ] || [ -z "$REC_SYSTEM" ] || [ "$NEW_SYSTEM" = "$REC_SYSTEM" ] ||
    refuse "the record is about database system $NEW_SYSTEM, this site's is $REC_SYSTEM"
  [ "$NEW_EPOCH" -gt "$REC_EPOCH" ] || {
    [ "$NEW_ACTIVE" = "$REC_ACTIVE" ] && [ "$NEW_RUN" = "$REC_RUN" ]
  } || refuse "this host has another record of epoch $REC_EPOCH: $REC_ACTIVE active (run ${REC_RUN:-none}), not $NEW_ACTIVE (run ${NEW_RUN:-none})"
  # shellcheck disable=SC2015
  [ "$NEW_EPOCH" -gt "$REC_EPOCH" ] || {
    [ -n "$NEW_SYSTEM" ] || NEW_SYSTEM=$REC_SYSTEM
    [ "$REC_WITNESSED" = false ] || NEW_WITNESSED=true
  }
}

keep_new() { NEW_SYSTEM=$REC_SYSTEM NEW_EPOCH=$REC_EPOCH NEW_ACTIVE=$REC_ACTIVE NEW_RUN=$REC_RUN NEW_WITNESSED=$REC_WITNESSED; }

# Write NEW_* and answer.
settle() {
  local before="$REC_JSON"
  REC_SITE=$SITE REC_SYSTEM=$NEW_SYSTEM REC_EPOCH=$NEW_EPOCH REC_ACTIVE=$NEW_ACTIVE REC_RUN=$NEW_RUN REC_WITNESSED=$NEW_WITNESSED
  if [ "$REC_STATE" = ok ] && [ "$(record_json)" = "$before" ]; then
    # A record that was written but perhaps not yet flushed when the reply got lost counts only once it is on the disk.
    sync "$VAR/epoch.json" "$VAR" || fail "the epoch record cannot be flushed to the disk"
    say "{\"changed\":false,\"already\":true,\"record\":$before}"
  else
    save_record
    say "{\"changed\":true,\"already\":false,\"record\":$REC_JSON}"
  fi
}

epoch_write() {
  local line=
  options "run token" "$@"
  IFS='' read -r line || true
  parse_record "$line" '' || usage "epoch write expects a record on its input: {\"site\",\"system_id\",\"epoch\",\"active\",\"run\",\"witnessed\"}"
  [ "$REC_SITE" = "$SITE" ] || refuse "the record is about site $REC_SITE; this host belongs to $SITE"
  is_voter "$REC_ACTIVE" || refuse "$REC_ACTIVE is no host of this site that $NODE knows"
  keep_new
  claim_token
  exclusively epoch
  load_record
  [ "$REC_STATE" != bad ] || refuse "the epoch record of this host cannot be read ($VAR/epoch.json): first run lpse-node epoch adopt on it"
  refuse_unless_forward
  [ "$NEW_ACTIVE" = "$NODE" ] || ! writes_now ||
    refuse "PostgreSQL on this host is open for writes: deactivate it and stop PostgreSQL before another node is made active"
  settle
}

# Take the highest record another voter has. This is how a new standby gets the record, a repository whose disk was
# replaced, and, once its old data is moved aside, the node that was active before a failover. It can only bring a host
# to what another voter vouches for, so it needs no token; one that is given must not be an old one, and is not recorded:
# whoever adopts need not hold the lock of the site, and must not shut out the run that does.
epoch_adopt() {
  local best line='' owned=''
  options "run token" "$@"
  if [ -n "$OPT_TOKEN" ]; then
    read_token
    [ "$OPT_TOKEN" -ge "$TOKEN" ] || refuse "token $OPT_TOKEN is older than $TOKEN (run $TOKEN_RUN), which this host has seen"
  fi
  exclusively epoch
  ask_voters
  best=$(printf '%s' "$VOTES" | awk '$2 == "answer" && $3 > max { max = $3; name = $1 } END { print name }')
  load_record
  [ -n "$best" ] || refuse "no other voter answered with a record" "$(describe_votes)"
  [ "$REC_STATE" != ok ] || [ "$REC_ACTIVE" != "$NODE" ] || owned=yes
  IFS='' read -r line <"$SCRATCH/$best.answer" || true
  parse_record "$line" record. || fail "the answer of $best changed while it was read"
  keep_new
  # Who keeps the record beside the nodes is its witness; others learn of that from whoever knows.
  if [ "$ROLE" = repository ] || witnessed_elsewhere; then NEW_WITNESSED=true; fi
  load_record
  refuse_unless_forward
  if [ "$NEW_ACTIVE" != "$NODE" ]; then
    ! writes_now || refuse "PostgreSQL on this host is open for writes"
    [ -z "$owned" ] || ! has_data || is_standby_data ||
      refuse "this node was active in epoch $REC_EPOCH and its data is still in place ($PG_DATA): lpse-ops protect --replace $NODE moves it aside first"
  fi
  settle
}

# Whether one of the voters that were asked shows the record in NEW_* as witnessed. REC_* are overwritten.
witnessed_elsewhere() {
  local name line
  for name in $(printf '%s' "$VOTES" | awk -v epoch="$NEW_EPOCH" '$2 == "answer" && $3 == epoch + 0 { print $1 }'); do
    IFS='' read -r line <"$SCRATCH/$name.answer" || true
    parse_record "$line" record. || continue
    [ "$REC_ACTIVE:$REC_RUN:$REC_WITNESSED" != "$NEW_ACTIVE:$NEW_RUN:true" ] || return 0
  done
  return 1
}

WHOLE="${WHOLE-} epoch"

# shellcheck shell=dash
# release: an operator takes the responsibility that no other voter could be asked. Counts until the next start of the host.

release() {
  options "reason" "$@"
  [ ${#OPT_REASON} -ge 10 ] || usage "release needs --reason with at least ten letters: it goes into the records"
  [ "$ROLE" = node ] || refuse "$NODE is no node: it has nothing to release"
  require_active
  ! is_standby_data || refuse "the data of this node is a standby's: resume the run that promotes it"
  ask_voters
  load_record
  read_control
  decide "$NODE" "$REC_STATE" "$REC_EPOCH" "$REC_ACTIVE" "$REC_SYSTEM" no "$REC_EPOCH" "$DATA_SYSTEM" "$VOTES"
  case $STATE in
  active | released) ;;
  *) refuse "$REASON" ;;
  esac
  { printf '{"time":%s,"epoch":%s,"reason":%s,"voters":%s}\n' "$(now)" "$REC_EPOCH" "$(jstr "$OPT_REASON")" "$(jstr "$(describe_votes)")" \
    >>"$VAR/releases.jsonl" && sync "$VAR/releases.jsonl" "$VAR"; } || fail "the release cannot be recorded: is the disk full?"
  place "$RUN/release.json" "{\"epoch\":$REC_EPOCH}" || fail "$RUN/release.json cannot be written"
  systemctl restart --no-block lpse-guard.service >/dev/null 2>&1 || fail "lpse-guard.service cannot be started"
  say "{\"released\":true,\"epoch\":$REC_EPOCH}"
}

WHOLE="${WHOLE-} release"

# shellcheck shell=dash
# The epoch record: who is active, since which run. One line of JSON with its own checksum, so that what a power cut
# or a bad disk left of it is never taken for a record.
# shellcheck disable=SC2034

# Given a line of JSON and the prefix of its keys ('' or 'record.'), set REC_*; fail unless it is a record.
parse_record() {
  local line="$1" prefix="$2" path kind value seen=
  REC_SITE='' REC_SYSTEM='' REC_EPOCH='' REC_ACTIVE='' REC_RUN='' REC_WITNESSED=''
  line=$(printf '%s\n' "$line" | awk -v mode=flat -f "$LIB/json.awk") || return 1
  while IFS='	' read -r path kind value; do
    case $path in "$prefix"*) path=${path#"$prefix"} ;; *) continue ;; esac
    case $path:$kind in
    site:s) is_name "$value" || return 1 && REC_SITE=$value ;;
    system_id:s) is_number "$value" 20 || return 1 && REC_SYSTEM=$value ;;
    epoch:n) is_number "$value" || return 1 && REC_EPOCH=$value ;;
    active:s) is_name "$value" || return 1 && REC_ACTIVE=$value ;;
    run:s) is_run "$value" || return 1 && REC_RUN=$value ;;
    witnessed:b) REC_WITNESSED=$value ;;
    system_id:z | run:z | sha256:s) continue ;;
    *) [ -n "$prefix" ] || return 1 ;;
    esac
    seen="$seen $path"
  done <<END
$line
END
  [ -n "$REC_SITE" ] && [ -n "$REC_EPOCH" ] && [ "$REC_EPOCH" -gt 0 ] && [ -n "$REC_ACTIVE" ] && [ -n "$REC_WITNESSED" ]
}

record_json() {
  printf '{"site":"%s","system_id":%s,"epoch":%s,"active":"%s","run":%s,"witnessed":%s}' \
    "$REC_SITE" "$(jnull "$REC_SYSTEM")" "$REC_EPOCH" "$REC_ACTIVE" "$(jnull "$REC_RUN")" "$REC_WITNESSED"
}

checksum() {
  local sum
  sum=$(printf '%s' "$1" | sha256sum) && printf '%s' "${sum%% *}"
}

# Set REC_STATE: none (no record), bad (there is one, but it cannot be trusted), ok (REC_*, REC_JSON).
load_record() {
  local file="$VAR/epoch.json" line='' sum
  REC_STATE=none REC_JSON=''
  REC_SITE='' REC_SYSTEM='' REC_EPOCH='' REC_ACTIVE='' REC_RUN='' REC_WITNESSED=''
  [ -e "$file" ] || return 0
  REC_STATE=bad
  IFS='' read -r line <"$file" || return 0
  [ "$(wc -c <"$file")" -eq $((${#line} + 1)) ] || return 0
  sum=${line##*,\"sha256\":\"}
  sum=${sum%\"\}}
  REC_JSON="${line%,\"sha256\":\"*}}"
  [ "$(checksum "$REC_JSON")" = "$sum" ] || return 0
  parse_record "$REC_JSON" '' || return 0
  [ "$REC_SITE" = "$SITE" ] || return 0
  REC_STATE=ok
}

# Put REC_* on disk. The caller holds the lock `epoch` and has decided that it may.
save_record() {
  local json
  json=$(record_json)
  store "$VAR/epoch.json" "${json%\}},\"sha256\":\"$(checksum "$json")\"}" || fail "the epoch record cannot be written: is the disk full?"
  load_record
  [ "$REC_STATE" = ok ] && [ "$REC_JSON" = "$json" ] || fail "the epoch record does not read back as it was written"
}

# Refuse unless this node's own record names it active.
require_active() {
  load_record
  case $REC_STATE in
  none) refuse "this host has no epoch record: nobody made it the active node" ;;
  bad) refuse "the epoch record of this host cannot be read ($VAR/epoch.json)" ;;
  esac
  [ "$REC_ACTIVE" = "$NODE" ] || refuse "the epoch record (epoch $REC_EPOCH) names $REC_ACTIVE active, not $NODE"
}

WHOLE="${WHOLE-} record"

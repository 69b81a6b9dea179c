# shellcheck shell=dash
# activate: the last step to the public. deactivate: all of it back.

ACTIVE_TARGET=lpse-active.target

# Whatever stands against opening, one reason a line.
against_opening() {
  local answer zone
  answer=$(ask_database "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool") || answer=
  case $answer in
  f) ;;
  t) echo "the database is read-only: it has not been promoted" ;;
  *) echo "the database does not answer" ;;
  esac
  application_ready || echo "the application is not ready ($APP_URL/@status does not answer 200)"
  # Procurement time is the time of this host.
  zone=$(readlink /etc/localtime 2>/dev/null || true)
  zone=${zone##*/zoneinfo/}
  [ -z "$TIME_ZONE" ] || [ "$zone" = "$TIME_ZONE" ] || echo "the time zone of this host is ${zone:-unknown}; the site's is $TIME_ZONE"
  [ -e "$RUN/open.conf" ] || echo "the guard of this host is closed"
}

open_to_public() {
  place "$RUN/serving" "$(now)" || return 1
  systemctl start --no-block "$ACTIVE_TARGET" >/dev/null 2>&1 || true
}

activate() {
  local reasons begin already=false
  options "run token" "$@"
  begin=$(now)
  claim_token
  exclusively activation
  require_active
  [ ! -e "$RUN/serving" ] || already=true
  reasons=$(against_opening)
  if [ -n "$reasons" ]; then
    set -f
    # One reason a line.
    IFS='
'
    # shellcheck disable=SC2086
    refuse $reasons
  fi
  # The follower would fetch from whoever was active before: rule 9. A host that never followed has no such unit.
  systemctl stop lpse-follow.service >/dev/null 2>&1 || true
  [ "$(unit_state lpse-follow.service)" != active ] || fail "lpse-follow.service does not stop: $(unit_words lpse-follow.service)"
  open_to_public || fail "$RUN/serving cannot be written"
  say "{\"serving\":true,\"already\":$already,\"seconds\":$(since "$begin")}"
}

close_to_public() {
  rm -f "$RUN/serving"
  systemctl stop "$ACTIVE_TARGET" >/dev/null 2>&1 || true
}

deactivate() {
  options "run token" "$@"
  claim_token
  exclusively activation
  close_to_public
  stop_application || fail "$APP_UNIT does not stop: $(unit_words "$APP_UNIT")"
  give_address || fail "the address $SERVICE_ADDRESS cannot be removed from $SERVICE_INTERFACE"
  say '{"serving":false}'
}

WHOLE="${WHOLE-} activate"

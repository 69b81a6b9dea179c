# shellcheck shell=dash
# The service address: taken and given up while running, never configured to stay.

holds_address() {
  [ -n "$SERVICE_ADDRESS" ] && [ -n "$(ip -4 -o addr show to "$SERVICE_ADDRESS/32" 2>/dev/null)" ]
}

# Tell the neighbours at once, then every second for ten seconds, in both forms that switches and hosts listen to.
announce_address() {
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --unit="lpse-announce-$$" --property=Type=exec /bin/sh -c \
    'arping -q -U -c 11 -I "$1" "$2" & arping -q -A -c 11 -I "$1" "$2"; wait' announce "$SERVICE_INTERFACE" "$SERVICE_ADDRESS" \
    >/dev/null 2>&1 && return 0
  # Without a service manager that answers, one announcement has to do.
  arping -q -U -c 1 -w 1 -I "$SERVICE_INTERFACE" "$SERVICE_ADDRESS" >/dev/null 2>&1
}

take_address() {
  holds_address ||
    ip addr add "$SERVICE_ADDRESS/$SERVICE_PREFIX" dev "$SERVICE_INTERFACE" 2>/dev/null ||
    holds_address || return 1
  announce_address
}

give_address() {
  holds_address || return 0
  ip addr del "$SERVICE_ADDRESS/$SERVICE_PREFIX" dev "$SERVICE_INTERFACE" 2>/dev/null || ! holds_address
}

has_address_settings() { is_address "$SERVICE_ADDRESS" && [ -n "$SERVICE_PREFIX" ] && [ -n "$SERVICE_INTERFACE" ]; }

claim_address() {
  local already=false
  options "run token" "$@"
  has_address_settings || refuse "this host has no service address to claim"
  claim_token
  exclusively address
  require_active
  ! holds_address || already=true
  take_address || fail "the address $SERVICE_ADDRESS cannot be added to $SERVICE_INTERFACE"
  say "{\"held\":true,\"already\":$already,\"address\":\"$SERVICE_ADDRESS\",\"interface\":$(jstr "$SERVICE_INTERFACE")}"
}

release_address() {
  local already=true
  options "run token" "$@"
  has_address_settings || refuse "this host has no service address to release"
  claim_token
  exclusively address
  ! holds_address || already=false
  give_address || fail "the address $SERVICE_ADDRESS cannot be removed from $SERVICE_INTERFACE"
  say "{\"held\":false,\"already\":$already}"
}

# Given an address and whole seconds, set ANSWERED_BY to the hardware address that claims it, or to nothing.
# The exit code of -w differs between versions of iputils; the count of answers is always printed.
probe_address() {
  local device output
  device=$(ip -4 -o route get "$1" 2>/dev/null | head -n 1)
  case $device in
  '') fail "there is no route to $1" ;;
  *" via "*) fail "$1 lies behind a router: whether it is silent cannot be asked from here" ;;
  local*)
    ANSWERED_BY=self
    return 0
    ;;
  esac
  device=${device##* dev }
  device=${device%% *}
  output=$(arping -D -f -w "$2" -I "$device" "$1" 2>&1) || true
  case $output in
  *"Received 0 response"*) ANSWERED_BY= ;;
  *"Received "*" response"*)
    ANSWERED_BY=$(printf '%s\n' "$output" | sed -n 's/^.*\[\([0-9A-Fa-f:]*\)\].*$/\1/p' | head -n 1)
    ANSWERED_BY=${ANSWERED_BY:-somebody}
    ;;
  *) fail "whether $1 is silent cannot be asked: $(printf '%s' "$output" | tr '\n' ' ')" ;;
  esac
}

silent() {
  local address="${1-}" begin seconds
  is_address "$address" || usage "silent ADDRESS --for SECONDS"
  shift
  options "for" "$@"
  seconds=${OPT_FOR:-1}
  # arping counts whole seconds: round up, a little more silence is no harm.
  case $seconds in *.*) [ "${seconds#*.}" -eq 0 ] && seconds=${seconds%.*} || seconds=$((${seconds%.*} + 1)) ;; esac
  [ "$seconds" -ge 1 ] && [ "$seconds" -le 60 ] || usage "silent: --for takes 1 to 60 seconds"
  begin=$(now)
  probe_address "$address" "$seconds"
  say "{\"answered\":$([ -n "$ANSWERED_BY" ] && echo true || echo false),\"by\":$(jnull "$ANSWERED_BY"),\"seconds\":$(since "$begin")}"
}

WHOLE="${WHOLE-} address"

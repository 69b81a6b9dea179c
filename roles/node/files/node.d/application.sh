# shellcheck shell=dash
# The application: its unit, and whether its status page answers.

# Whether @status answers 200. The key goes through curl's input, never on a command line.
application_ready() {
  local key=
  IFS='' read -r key <"$ETC/status.key" || [ -n "$key" ] || return 1
  case $key in '' | *[!A-Za-z0-9._~+/=-]*) return 1 ;; esac
  [ "$(printf 'header = "Authorization: %s"\n' "$key" |
    curl --silent --output /dev/null --noproxy '*' --max-time "${1:-2}" --write-out '%{http_code}' --config - "$APP_URL/@status" 2>/dev/null)" = 200 ]
}

unit_state() { systemctl show --property=ActiveState --value "$1" 2>/dev/null || true; }

application() {
  local what="${1-}"
  [ $# -eq 0 ] || shift
  [ -n "$APP_UNIT" ] || refuse "this host carries no application"
  case $what in
  start) application_start "$@" ;;
  stop) application_stop "$@" ;;
  *) usage "application start [--timeout SECONDS] | stop, with --run and --token" ;;
  esac
}

application_start() {
  local begin already=false
  options "run token timeout" "$@"
  begin=$(now)
  claim_token
  exclusively application
  require_active
  if [ "$(unit_state "$APP_UNIT")" = active ] && application_ready; then
    already=true
  else
    begin_application || fail "$APP_UNIT cannot be started: $(unit_words "$APP_UNIT")"
    # Only looking from here on: others may act.
    release_token
    exec 9>&-
    await_application "${OPT_TIMEOUT:-120}" || fail "$WHY"
  fi
  say "{\"ready\":true,\"seconds\":$(since "$begin"),\"already\":$already}"
}

begin_application() {
  systemctl reset-failed "$APP_UNIT" >/dev/null 2>&1 || true
  systemctl start --no-block "$APP_UNIT" >/dev/null 2>&1
}

# Given seconds: wait for the status page. Set WHY when it fails: at once if the unit gave up, else at the deadline.
await_application() {
  local deadline=$(($(date +%s) + $1))
  while ! application_ready; do
    case $(unit_state "$APP_UNIT") in
    failed | inactive)
      # `inactive` may be the moment before the queued start; the job tells.
      if [ -z "$(systemctl show --property=Job --value "$APP_UNIT" 2>/dev/null | tr -d 0)" ]; then
        case $(unit_state "$APP_UNIT") in
        failed | inactive)
          WHY="the application gave up: $(unit_words "$APP_UNIT")"
          return 1
          ;;
        esac
      fi
      ;;
    esac
    if [ "$(date +%s)" -ge "$deadline" ]; then
      WHY="the application did not become ready within $1 s: $(unit_words "$APP_UNIT")"
      return 1
    fi
    sleep 0.1
  done
}

# The state of a unit and its last lines in the journal, for a reader.
unit_words() {
  printf '%s is %s; ' "$1" "$(systemctl show --property=ActiveState,SubState --value "$1" 2>/dev/null | tr '\n' ' ' || true)"
  journalctl --unit "$1" --lines 3 --output cat --no-pager 2>/dev/null | tr '\n' '|' | cut -c 1-400 || true
}

application_stop() {
  options "run token" "$@"
  claim_token
  exclusively application
  stop_application || fail "$APP_UNIT does not stop: $(unit_words "$APP_UNIT")"
  say "{\"stopped\":true}"
}

stop_application() {
  [ -n "$APP_UNIT" ] || return 0
  case $(unit_state "$APP_UNIT") in inactive | failed) return 0 ;; esac
  systemctl stop "$APP_UNIT" >/dev/null 2>&1
}

WHOLE="${WHOLE-} application"

# shellcheck shell=dash
# observe: everything about this host in one answer, quickly, whatever is down on it. null: it could not be seen.

# All of PostgreSQL in one query. On a standby `lsn` is null, on the active node `receive_lsn` and `replay_lsn` are.
database_query="SELECT json_build_object(
 'running', true, 'in_recovery', r, 'version', current_setting('server_version_num')::int,
 'system_id', (SELECT system_identifier::text FROM pg_control_system()),
 'timeline', t,
 'history', (SELECT coalesce(json_agg(json_build_object('timeline', p[1]::int, 'until', p[2]) ORDER BY p[1]::int), '[]')
   FROM regexp_matches(pg_read_file('pg_wal/' || upper(lpad(to_hex(t), 8, '0')) || '.history', 0, 100000, true),
     '^(\d+)\t([0-9A-F]+/[0-9A-F]+)', 'gn') AS p),
 'checkpoint', (SELECT checkpoint_lsn FROM pg_control_checkpoint()),
 'lsn', CASE WHEN NOT r THEN pg_current_wal_lsn() END,
 'receive_lsn', CASE WHEN r THEN pg_last_wal_receive_lsn() END,
 'replay_lsn', CASE WHEN r THEN pg_last_wal_replay_lsn() END,
 'replay_paused', CASE WHEN r THEN pg_is_wal_replay_paused() END,
 'receiver', (SELECT status FROM pg_stat_wal_receiver),
 'received_at', (SELECT extract(epoch FROM last_msg_receipt_time) FROM pg_stat_wal_receiver),
 'last_commit', extract(epoch FROM CASE WHEN r THEN pg_last_xact_replay_timestamp()
   WHEN current_setting('track_commit_timestamp') = 'on' THEN (SELECT timestamp FROM pg_last_committed_xact()) END),
 'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state, 'sync_state', sync_state,
   'flush_lsn', flush_lsn, 'lag_bytes', pg_wal_lsn_diff(CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, flush_lsn)::bigint)
   ORDER BY application_name), '[]') FROM pg_stat_replication))
 FROM (SELECT r, CASE WHEN r THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
   ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS t
   FROM (SELECT pg_is_in_recovery() AS r) AS state) AS here"

observe() {
  options "" "$@"
  say "{\"version\":$(jstr "$VERSION"),\"node\":\"$NODE\",\"site\":\"$SITE\",\"time\":$(now),$(observe_host),\"record\":$(observe_record),\"token\":$(observe_token),\"guard\":$(observe_guard),\"unprotected\":$(observe_unprotected),\"database\":$(observe_database),$(observe_service),\"samples\":[$(recent_samples | awk -v mode=list -f "$LIB/json.awk")]}"
}

# The last 30 good samples, however long ago they were taken, and the first failures after them: what a loss statement
# stands on, tonight as well as in the morning.
recent_samples() {
  [ -r "$VAR/samples.jsonl" ] || return 0
  awk '
    /"ok": ?true/ { good[n++ % 30] = $0; failed = 0; next }
    failed < 5 { bad[failed++] = $0 }
    END {
      for (i = (n > 30 ? n - 30 : 0); i < n; i++) print good[i % 30]
      for (i = 0; i < failed; i++) print bad[i]
    }' "$VAR/samples.jsonl"
}

observe_host() {
  local boot='' up='' zone
  read -r boot </proc/sys/kernel/random/boot_id || true
  read -r up _ </proc/uptime || true
  zone=$(readlink /etc/localtime 2>/dev/null || true)
  case $zone in */zoneinfo/*) zone=${zone##*/zoneinfo/} ;; *) zone= ;; esac
  printf '"boot_id":%s,"uptime_s":%s,"zone":%s,"disk":%s,"clock":%s' "$(jnull "$boot")" "${up:-null}" "$(jnull "$zone")" "$(observe_disk)" "$(observe_clock)"
}

# The fullest file system of those that a failover writes to. What is not there (no database on the repository) is left out.
observe_disk() {
  timeout 0.5 df -Pk "$VAR" "$PG_DATA" "$DOCUMENTS" 2>/dev/null | awk '
    NR > 1 && $4 ~ /^[0-9]+$/ && (mount == "" || $4 < free) { free = $4; mount = $6 }
    END { if (mount == "") printf "null"; else printf "{\"mount\":\"%s\",\"free_mb\":%d}", mount, free / 1024 }'
}

# chronyc's CSV: the 5th field is the offset in seconds, the last the leap status.
observe_clock() {
  timeout 0.2 chronyc -n -c tracking 2>/dev/null | awk -F, '
    NF == 14 && $5 ~ /^-?[0-9.]+$/ { good = 1; printf "{\"synchronised\":%s,\"offset_s\":%s}", ($14 == "Not synchronised" ? "false" : "true"), $5 + 0 }
    END { if (!good) printf "{\"synchronised\":null,\"offset_s\":null}" }'
}

observe_record() {
  load_record
  if [ "$REC_STATE" = ok ]; then printf '%s' "$REC_JSON"; else printf null; fi
}

# In a subshell: an unreadable token ends the verbs that need it, and is null here.
observe_token() {
  if (read_token) >/dev/null; then
    read_token
    printf '%s' "$TOKEN"
  else
    printf null
  fi
}

observe_guard() {
  if [ "$ROLE" = node ]; then
    guard_json
  else
    printf null
  fi
}

# Since when this node, which takes the writes, is the only one that has them; null: it is not, or does not know.
observe_unprotected() {
  if [ "$ROLE" = node ] && writes_now && clock_runs; then
    head -n 1 "$VAR/unprotected.json"
  else
    printf null
  fi
}

observe_database() {
  local answer
  if [ "$ROLE" != node ] || ! [ -x "$ROOT/usr/lib/postgresql/$PG_VERSION/bin/psql" ]; then
    printf null
  elif answer=$(ask_database "$database_query" 1.5) && [ -n "$answer" ]; then
    printf '%s' "$answer" | tr '\n' ' '
  else
    read_control
    printf '{"running":%s,"in_recovery":null,"version":null,"system_id":%s,"timeline":%s,"history":%s,"checkpoint":%s,"lsn":null,"receive_lsn":null,"replay_lsn":null,"replay_paused":null,"receiver":null,"received_at":null,"last_commit":null,"standbys":[]}' \
      "$(database_runs && echo true || echo false)" "$(jnull "$DATA_SYSTEM")" "${DATA_TIMELINE:-null}" \
      "$([ -n "$DATA_TIMELINE" ] && timeline_history "$DATA_TIMELINE" || printf '[]')" "$(jnull "$DATA_CHECKPOINT")"
  fi
}

# Units, document follower, address, proxy.
observe_service() {
  local line app='' proxy='' unit='' ready=false follower
  if [ "$ROLE" != node ]; then
    printf '"application":null,"documents":null,"address":{"held":%s},"proxy":null' "$(holds_address && echo true || echo false)"
    return 0
  fi
  while IFS= read -r line; do
    case $line in
    Id=*) unit=${line#Id=} ;;
    ActiveState=*)
      case $unit in
      "$APP_UNIT") app=${line#ActiveState=} ;;
      apache2.service) proxy=${line#ActiveState=} ;;
      esac
      ;;
    esac
  done <<END
$(timeout 1 systemctl show --property=Id,ActiveState "$APP_UNIT" apache2.service 2>/dev/null || true)
END
  case $app in active | activating | reloading) ! application_ready 1 || ready=true ;; esac
  follower=$(awk -v mode=list -f "$LIB/json.awk" "$RUN/documents.json" 2>/dev/null || true)
  case $proxy in '') ;; active | reloading) proxy=true ;; *) proxy=false ;; esac
  printf '"application":{"state":%s,"ready":%s},"documents":{"path":%s,"follower":%s},"address":{"held":%s},"proxy":{"running":%s,"open":%s}' \
    "$(jnull "$app")" "$ready" "$(jnull "$DOCUMENTS")" "${follower:-null}" "$(holds_address && echo true || echo false)" \
    "${proxy:-null}" "$([ -e "$RUN/serving" ] && echo true || echo false)"
}

WHOLE="${WHOLE-} observe"

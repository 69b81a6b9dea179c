# shellcheck shell=dash
# journal-append: the second, fsynced copy of a run's journal. journal-show: what this host has of it.

# One answer a line, once the line is on the disk. A line that the end of the input cut short is not taken.
journal_append() {
  local file line seq=0 again=
  options "run" "$@"
  [ -n "$OPT_RUN" ] || usage "journal-append needs --run"
  file=$VAR/journal/$OPT_RUN.jsonl
  exec 9>>"$RUN/journal-$OPT_RUN.lock"
  # A connection that was cut off may take 15 s to be noticed.
  flock -w 20 9 || refuse "the journal of run $OPT_RUN is being written by another connection"
  if [ -s "$file" ]; then
    # What a power cut tore stays a line of its own.
    [ "$(tail -c 1 "$file" | wc -l)" -eq 1 ] || printf '\n' >>"$file"
    seq=$(wc -l <"$file")
    # A line may be here and its writer have died before it was flushed: it is vouched for below.
    sync "$file" || fail "the journal cannot be flushed to the disk"
    again=yes
  else
    : >>"$file"
    sync "$VAR/journal"
  fi
  # Its answers are one a line of input; none is no fault.
  # shellcheck disable=SC2034
  ANSWERED=1
  while IFS= read -r line; do
    case $line in
    '{'*'}') ;;
    *) say "{\"error\":\"a line of the journal is one JSON object\"}" && exit 2 ;;
    esac
    # A resume sends all from the beginning: what is here already is not written twice.
    if [ -n "$again" ] && printf '%s\n' "$line" | grep -qxFf - "$file"; then
      sync "$file" || fail "the journal cannot be flushed to the disk"
      say "{\"seq\":$seq}"
      continue
    fi
    { printf '%s\n' "$line" >>"$file" && sync "$file"; } || fail "the journal cannot be written: is the disk full?"
    seq=$((seq + 1))
    say "{\"seq\":$seq}"
  done
}

# The runs whose journals are here, or with --run the lines of one as strings: what is whole in them, and in which order
# they belong together, is for the reader to judge by their hashes.
journal_show() {
  local file
  options "run" "$@"
  if [ -z "$OPT_RUN" ]; then
    say "{\"runs\":[$(find "$VAR/journal" -name '*.jsonl' -size +0 -printf '%f\n' | sort | sed 's/\.jsonl$//; s/.*/"&"/' | tr '\n' ',' | sed 's/,$//')]}"
    return 0
  fi
  file=$VAR/journal/$OPT_RUN.jsonl
  [ -s "$file" ] || refuse "this host has no journal of run $OPT_RUN"
  say "{\"run\":\"$OPT_RUN\",\"lines\":[$(tr '\000-\011\013-\037\177' ' ' <"$file" | iconv -c -f UTF-8 -t UTF-8 | sed 's/[\\"]/\\&/g; s/^/"/; s/$/",/; $ s/,$//' | tr -d '\n')]}"
}

# What another controller needs to go on: the inventory as protect left it here, its vault encrypted.
sealed_inventory() {
  options "" "$@"
  [ -s "$VAR/inventory.b64" ] || refuse "this host keeps no inventory: lpse-ops protect leaves one on every host"
  say "{\"site\":\"$SITE\",\"inventory\":\"$(tr -cd 'A-Za-z0-9+/=' <"$VAR/inventory.b64")\"}"
}

WHOLE="${WHOLE-} journal"

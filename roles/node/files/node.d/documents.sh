# shellcheck shell=dash
# The tree of documents: how many, how large, which is the newest. Walks it: not for the hot path.

documents() {
  local answer files bytes time newest=null
  options "" "$@"
  [ -n "$DOCUMENTS" ] && [ -d "$ROOT$DOCUMENTS" ] || refuse "there is no tree of documents here (${DOCUMENTS:-none configured})"
  # A file that is still being fetched has a name with a leading dot.
  answer=$(find "$ROOT$DOCUMENTS" -type f ! -name '.*' -printf '%T@ %s %P\n' | awk '
    { files++; bytes += $2 }
    files == 1 || $1 > newest { newest = $1; name = substr($0, length($1) + length($2) + 3) }
    END { printf "%d %.0f %.3f %s", files, bytes, newest, name }')
  files=${answer%% *} answer=${answer#* }
  bytes=${answer%% *} answer=${answer#* }
  time=${answer%% *} answer=${answer#* }
  [ "$files" -eq 0 ] || newest="{\"name\":$(jstr "$answer"),\"time\":$time}"
  say "{\"newest\":$newest,\"files\":$files,\"bytes\":$bytes}"
}

WHOLE="${WHOLE-} documents"

# shellcheck shell=dash
# The tree of documents: how many, how large, which is the newest; or all of them. Walks it: not for the hot path.

documents() {
  local answer files bytes time newest=null list=
  if [ "${1-}" = list ]; then
    list=yes
    shift
  fi
  options "" "$@"
  [ -n "$DOCUMENTS" ] && [ -d "$ROOT$DOCUMENTS" ] || refuse "there is no tree of documents here (${DOCUMENTS:-none configured})"
  if [ -n "$list" ]; then
    list_documents
    return 0
  fi
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

# Every document as [NAME, BYTES, TIME], in one line. Names of bytes that are no text come out alike on every host.
# What begins with a dot is no document, nor is anything below such a folder.
list_documents() {
  # shellcheck disable=SC2034
  ANSWERED=1
  find "$ROOT$DOCUMENTS" -mindepth 1 -name '.*' -prune -o -type f -printf '%T@ %s %P\n' | iconv -c -f UTF-8 -t UTF-8 | awk '
    BEGIN { printf "{\"files\":[" }
    $1 ~ /^[0-9.]+$/ && $2 ~ /^[0-9]+$/ {
      name = substr($0, length($1) + length($2) + 3)
      gsub(/[\\"]/, "\\\\&", name)
      gsub(/[\001-\037\177]/, "?", name)
      printf "%s[\"%s\",%s,%.3f]", (n++ ? "," : ""), name, $2, $1
    }
    END { print "]}" }'
}

WHOLE="${WHOLE-} documents"

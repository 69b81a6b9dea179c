# A strict reader of JSON objects, one a line, plain ASCII.
#   -v mode=flat   the first line only: PATH TAB TYPE TAB VALUE for each scalar (types s, n, b, z); exit 1 if it is no JSON
#   -v mode=list   all lines that are whole objects, joined by commas: what a power cut tore is left out
# Strings with escapes get the type x in flat mode: nothing this reads by name may contain any.

function space() {
  while (substr(s, p, 1) == " ") p++
}

function string() {
  if (!match(substr(s, p), /^"([^"\\]|\\["\\\/bfnrt]|\\u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])*"/)) return 0
  token = substr(s, p + 1, RLENGTH - 2)
  p += RLENGTH
  return 1
}

function emit(path, type, value) {
  if (path in seen) return 0
  seen[path] = 1
  if (mode == "flat") out = out path "\t" type "\t" value "\n"
  return 1
}

function value(path, depth,   c, rest) {
  if (depth > 8) return 0
  space()
  c = substr(s, p, 1)
  if (c == "{") return object(path, depth)
  if (c == "[") return array(path, depth)
  if (c == "\"") return string() && emit(path, index(token, "\\") ? "x" : "s", token)
  rest = substr(s, p)
  if (match(rest, /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/)) c = "n"
  else if (match(rest, /^(true|false)/)) c = "b"
  else if (match(rest, /^null/)) c = "z"
  else return 0
  p += RLENGTH
  return emit(path, c, substr(rest, 1, RLENGTH))
}

function object(path, depth,   name, first) {
  p++
  for (first = 1; ; first = 0) {
    space()
    if (first && substr(s, p, 1) == "}") { p++; return 1 }
    if (!string()) return 0
    name = token
    space()
    if (substr(s, p++, 1) != ":") return 0
    if (!value(path == "" ? name : path "." name, depth + 1)) return 0
    space()
    name = substr(s, p++, 1)
    if (name == "}") return 1
    if (name != ",") return 0
  }
}

function array(path, depth,   number, c) {
  p++
  for (number = 0; ; number++) {
    space()
    if (number == 0 && substr(s, p, 1) == "]") { p++; return 1 }
    if (!value(path "." number, depth + 1)) return 0
    space()
    c = substr(s, p++, 1)
    if (c == "]") return 1
    if (c != ",") return 0
  }
}

function whole(line) {
  if (line ~ /[^ -~]/ || line !~ /^\{.*\}$/) return 0
  split("", seen)
  s = line
  p = 1
  return object("", 0) && p == length(s) + 1
}

mode == "flat" && NR == 1 {
  good = whole($0)
  exit
}

mode == "list" && whole($0) { printf "%s%s", (count++ ? "," : ""), $0 }

END {
  if (mode == "flat") {
    if (!good) exit 1
    printf "%s", out
  }
}

#!/usr/bin/env bash
# Every linter, each run even when one before it has found something; exits 1 if any did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
failed=()
if [ ! -t 1 ]; then
  export NO_COLOR=1
fi

run() {
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" || failed+=("$name")
}

# Shell scripts by their first line, whatever they are called; templates are not shell yet.
shell_scripts() {
  git ls-files -z | while IFS= read -r -d '' file; do
    case "$file" in *.j2) continue ;; esac
    # Parts that others read in (roles/node/files/node.d) have no first line of that kind.
    if [ "${file%.sh}" != "$file" ] || head -c 64 "$file" 2>/dev/null | head -n 1 | grep -aqE '^#!.*\b(sh|bash|dash)\b'; then
      printf '%s\0' "$file"
    fi
  done
}

run 'ruff check' ruff check .
run 'ruff format' ruff format --check .
run mypy mypy
run yamllint yamllint --strict .
mapfile -d '' -t scripts < <(shell_scripts)
run shellcheck shellcheck "${scripts[@]}"
run ansible-lint ansible-lint --offline -q

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'lint: faults found by: %s\n' "$(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
  exit 1
fi
echo 'lint: no faults'

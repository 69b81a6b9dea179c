# shellcheck shell=dash
# The decision of the return guard: facts in, verdict out. No I/O (tests/unit/node/test_decide.py is its table).
# shellcheck disable=SC2034

# Set STATE (active, standby, superseded, holding, released, none), FINAL (yes: no later answer of a voter changes it)
# and REASON. Given:
#   $1 name of this node     $2 its record: none, bad, ok     $3 epoch of it     $4 active node in it
#   $5 system id in it       $6 its data is a standby's: yes/no                  $7 epoch an operator released, or empty
#   $8 system id of its data
#   $9 the voters' answers, one a line: NAME STATUS EPOCH ACTIVE SYSTEM WRITES ...
decide() {
  local me="$1" own="$2" epoch="$3" active="$4" system="${5:--}" standby="$6" released="$7" data="$8"
  local name status e a s writes rest confirmed='' contra='' over=''
  STATE=holding FINAL=no REASON=''
  case $own in
  none) verdict none yes "this host has no epoch record: it was never given a part (lpse-ops provision or protect does)" && return 0 ;;
  bad) verdict holding no "the epoch record of this host cannot be read: lpse-node epoch adopt takes another voter's" && return 0 ;;
  esac
  if [ "$active" != "$me" ]; then
    if [ "$standby" = yes ]; then
      verdict standby yes "epoch $epoch names $active active: this node follows, read-only"
    else
      verdict holding yes "epoch $epoch names $active active, and the data here is no standby's: lpse-ops protect makes it one"
    fi
    return 0
  fi
  if [ "$standby" = yes ]; then
    verdict standby yes "epoch $epoch names this node active, but its promotion was not finished: it follows, read-only; resume the run"
    return 0
  fi
  while read -r name status e a s writes rest; do
    [ -n "$name" ] || continue
    if [ "$writes" = true ]; then contra="$contra; $name is open for writes"; fi
    [ "$status" = answer ] || continue
    if [ "$e" -gt "$epoch" ]; then
      if [ "$a" = "$me" ]; then
        contra="$contra; $name knows epoch $e, which names this node, but its own record is of epoch $epoch: resume the run"
      else
        over="$over; $name knows epoch $e, in which $a is active"
      fi
    elif [ "$e" -eq "$epoch" ]; then
      if [ "$a" = "$me" ] && { [ "$s" = "$system" ] || [ "$s" = - ] || [ "$system" = - ]; }; then
        confirmed="$confirmed${confirmed:+, }$name"
      else
        contra="$contra; $name has another record of epoch $e ($a active)"
      fi
    fi
  done <<END
$9
END
  if [ -n "$over" ]; then
    verdict superseded yes "this node was active in epoch $epoch; ${over#; }"
  elif [ "$system" != - ] && [ -n "$data" ] && [ "$data" != "$system" ]; then
    verdict holding no "the data here is of database system $data; the record is about $system"
  elif [ -n "$contra" ]; then
    verdict holding no "${contra#; }"
  elif [ -n "$confirmed" ]; then
    verdict active yes "epoch $epoch, confirmed by $confirmed"
  elif [ "$released" = "$epoch" ]; then
    verdict released yes "epoch $epoch, released by an operator"
  else
    verdict holding no "no other voter confirms epoch $epoch$(unconfirmed "$9")"
  fi
}

verdict() { STATE=$1 FINAL=$2 REASON=$3; }

# Given the answers, say in words what each voter did.
unconfirmed() {
  local name status e rest
  while read -r name status e rest; do
    case $status in
    '') ;;
    silent) printf '; %s does not answer' "$name" ;;
    garbage) printf '; the answer of %s does not count' "$name" ;;
    none) printf '; %s has no record' "$name" ;;
    bad) printf '; %s cannot read its record' "$name" ;;
    answer) printf '; %s knows epoch %s' "$name" "$e" ;;
    esac
  done <<END
$1
END
}

describe_votes() { unconfirmed "$VOTES" | sed 's/^; //'; }

WHOLE="${WHOLE-} decide"

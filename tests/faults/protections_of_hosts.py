"""Protections on the hosts: lock and token, epoch and guard, the door and the notice."""

from tests.faults.mutant import Mutant

_RUNNER = "tests/unit/engine/test_runner.py::"
_NODE = "roles/node/files/node.d/"
_EPOCH = "tests/unit/node/test_epoch.py::"
_DECIDE = "tests/unit/node/test_decide.py::"
_VERBS = "tests/unit/node/test_verbs.py::"
_WATCH = "tests/unit/node/test_watch.py::"
_CHOICE = "tests/unit/procedures/test_choice.py::"
_DOOR = "tests/unit/node/test_door.py::"

_ONE_RUN = (
    Mutant(
        "lock",
        "A second run does not get the lock",
        _NODE + "lock.sh",
        "  if ! flock -n 7; then\n",
        "  if false; then\n",
        (_VERBS + "test_the_lock_is_held_until_the_input_ends",),
    ),
    Mutant(
        "lock-demanded",
        "No irreversible act by a run that has lost the lock",
        "lpse_ops/engine/runner.py",
        "        self._demand_lock(step)\n",
        "",
        (_RUNNER + "test_no_irreversible_act_without_the_lock",),
    ),
    Mutant(
        "lock-everywhere",
        "The lock is lost with any one of its connections",
        "lpse_ops/engine/lock.py",
        "        return all(channel.alive for channel in self._channels)\n",
        "        return any(channel.alive for channel in self._channels)\n",
        ("tests/unit/engine/test_lock.py::test_a_lock_is_lost_with_any_of_its_connections",),
    ),
    Mutant(
        "acknowledges",
        "A kernel that acknowledges what the standby reports lives, however quiet its database is",
        _NODE + "fence.sh",
        """print (ago < $1) ? "true" : heard""",
        """print heard""",
        ("tests/unit/node/test_fence.py::test_a_kernel_that_acknowledges_lives",),
    ),
    Mutant(
        "unseen-is-no-silence",
        "What the peers acknowledge must have been looked at, or the proof fails",
        _NODE + "fence.sh",
        """ 2>/dev/null) || return 1\n""",
        """ 2>/dev/null) || lines=\n""",
        ("tests/unit/node/test_fence.py::test_what_cannot_be_listened_for_is_no_silence",),
    ),
    Mutant(
        "token",
        "A host does nothing for a run whose fencing token is not the newest it has seen",
        _NODE + "core.sh",
        """\
  [ "$OPT_TOKEN" -eq "$TOKEN" ] ||
    refuse "run $OPT_RUN has token $OPT_TOKEN, but this host has seen $TOKEN (run $TOKEN_RUN): \
another run has taken over"
  [ "$OPT_RUN" = "$TOKEN_RUN" ] ||
    refuse "token $OPT_TOKEN belongs to run $TOKEN_RUN, not to $OPT_RUN: take the lock anew"
""",
        "",
        (_VERBS + "test_a_token_never_goes_back",),
    ),
    Mutant(
        "token-waits",
        "A newer run does not act beside a command of an older one that is still at work",
        _NODE + "core.sh",
        """    flock -x -w 90 8 || fail "a command of run ${TOKEN_RUN:-?} is still at work; try again"\n""",
        "",
        (_VERBS + "test_a_newer_run_waits_for_a_command_at_work",),
    ),
    Mutant(
        "token-rises",
        "Every holder of the lock has a higher token than the one before",
        _NODE + "lock.sh",
        "  TOKEN=$((TOKEN + 1))\n",
        "",
        (_VERBS + "test_a_killed_holder_frees_the_lock",),
    ),
)

_EPOCHS = (
    Mutant(
        "epoch-forward",
        "An epoch never goes back",
        _NODE + "epoch.sh",
        """\
  [ "$NEW_EPOCH" -ge "$REC_EPOCH" ] ||
    refuse "this host has epoch $REC_EPOCH ($REC_ACTIVE active): epoch $NEW_EPOCH is older"
""",
        "",
        (_EPOCH + "test_what_turns_back_or_contradicts_is_refused",),
    ),
    Mutant(
        "epoch-once",
        "An epoch belongs to one node and one run",
        _NODE + "epoch.sh",
        """    [ "$NEW_ACTIVE" = "$REC_ACTIVE" ] && [ "$NEW_RUN" = "$REC_RUN" ]\n""",
        "    true\n",
        (_EPOCH + "test_what_turns_back_or_contradicts_is_refused",),
    ),
    Mutant(
        "promote-record",
        "A node whose record does not name it active is not promoted",
        _NODE + "promote.sh",
        "  require_active\n",
        "  load_record\n",
        (_VERBS + "test_what_makes_a_node_active_needs_its_record",),
    ),
    Mutant(
        "guard-superseded",
        "A node that was active in an older epoch stays closed",
        _NODE + "decide.sh",
        """        over="$over; $name knows epoch $e, in which $a is active"\n""",
        "        :\n",
        (_DECIDE + "test_decision",),
    ),
    Mutant(
        "guard-alone",
        "A node that no other voter confirms stays closed",
        _NODE + "decide.sh",
        """    verdict holding no "no other voter confirms epoch""",
        """    verdict active yes "no other voter confirms epoch""",
        (_DECIDE + "test_decision",),
    ),
    Mutant(
        "guard-two-writers",
        "A node stays closed while another one is open for writes",
        _NODE + "decide.sh",
        """contra="$contra; $name is open for writes"; fi""",
        ":; fi",
        (_DECIDE + "test_decision",),
    ),
    Mutant(
        "vote-nonce",
        "An answer of a voter to an older question does not count",
        _NODE + "voters.sh",
        """    nonce:s:"$nonce" |""",
        "    nonce:s:* |",
        (_EPOCH + "test_an_answer_that_does_not_fit_the_question_does_not_count",),
    ),
    Mutant(
        "watch",
        "A node at work that hears of a higher epoch decides again whether it may be open",
        _NODE + "watch.sh",
        "    systemctl restart --no-block lpse-guard.service >/dev/null 2>&1 || true\n",
        "    :\n",
        (_WATCH + "test_a_higher_epoch_makes_the_guard_decide_again",),
    ),
    Mutant(
        "repository-hears",
        "A repository that was away asks the others before it confirms anybody",
        _NODE + "voters.sh",
        """  [ "$ROLE" != repository ] || hear_others\n""",
        "",
        (_WATCH + "test_the_repository_vouches_for_what_the_others_know",),
    ),
    Mutant(
        "repository-empty",
        "A repository without a record does not confirm a node with that node's own word",
        _NODE + "voters.sh",
        """  [ "$REC_STATE" = ok ] || return 0\n  ASK_S=""",
        "  ASK_S=",
        (_WATCH + "test_a_repository_without_a_record_confirms_nobody_with_his_own_word",),
    ),
    Mutant(
        "unwitnessed",
        "Without a witness the power must have been taken: a person's word is not enough",
        "lpse_ops/procedures/choice.py",
        "attested=attested and not unwitnessed)",
        "attested=attested)",
        (_CHOICE + "test_without_a_witness_a_word_about_the_old_node_is_not_enough",),
    ),
    Mutant(
        "same-history",
        "A standby that was promoted by hand does not take over",
        "lpse_ops/procedures/choice.py",
        "        *_same_history(seen, old, new),\n",
        "",
        (_CHOICE + "test_a_standby_promoted_by_hand_is_refused",),
    ),
)

_DOORS = (
    Mutant(
        "door-unit",
        "Lock 1: systemd asks the guard before it starts PostgreSQL",
        "roles/postgresql/tasks/cluster.yml",
        "          ExecStartPre=+/usr/local/sbin/lpse-node guard require\n",
        "",
        (_DOOR + "test_the_unit_does_not_start_before_the_guard_has_opened",),
    ),
    Mutant(
        "door-include",
        "Lock 2: PostgreSQL itself does not start without the file that the guard writes",
        "roles/postgresql/templates/lpse.conf.j2",
        "include = '/run/lpse/open.conf'\n",
        "include_if_exists = '/run/lpse/open.conf'\n",
        (_DOOR + "test_postgresql_does_not_start_without_the_file_of_the_guard",),
    ),
    Mutant(
        "door-record",
        "The door closes again when the record names another node",
        _NODE + "guard.sh",
        """    [ "$REC_ACTIVE" = "$NODE" ] || echo "the record (epoch $REC_EPOCH) now names $REC_ACTIVE active"\n""",
        "    :\n",
        (_VERBS + "test_what_may_start",),
    ),
    Mutant(
        "door-standby",
        "A standby without its standby.signal does not start, for it would open for writes",
        _NODE + "guard.sh",
        '    is_standby_data || echo "this node follows, but',
        '    true || echo "this node follows, but',
        (_VERBS + "test_what_may_start",),
    ),
    Mutant(
        "notice",
        "While the site is closed everybody gets the notice with 503, and nothing reaches the application",
        "roles/web_proxy/templates/site.conf.j2",
        """\
    RewriteCond {{ web_proxy_serving_flag }} !-f
    RewriteRule ^ - [R=503,L]
""",
        "",
        (
            "tests/unit/proxy/test_notice.py::test_a_closed_site_answers_with_the_notice_and_passes_nothing_on",
        ),
    ),
)

OF_HOSTS = (*_ONE_RUN, *_EPOCHS, *_DOORS)

"""The protections that `make mutants` takes away one at a time, and the tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One protection: `old` stands exactly once in `file`; with `new` in its place one of `tests` must fail."""

    id: str
    protection: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_FAILOVER = "tests/unit/procedures/test_failover.py::"
_RUNNER = "tests/unit/engine/test_runner.py::"
_NODE = "roles/node/files/node.d/"
_EPOCH = "tests/unit/node/test_epoch.py::"
_DECIDE = "tests/unit/node/test_decide.py::"
_VERBS = "tests/unit/node/test_verbs.py::"
_WATCH = "tests/unit/node/test_watch.py::"
_CHOICE = "tests/unit/procedures/test_choice.py::"
_DOOR = "tests/unit/node/test_door.py::"
_ANCHORING = "tests/unit/engine/test_anchoring.py::"
_PRECONDITIONS = "tests/unit/engine/test_preconditions.py::"
_CONFIRM = "tests/unit/cli/test_confirm_loss.py::"
_FENCING = "tests/unit/actions/test_fencing.py::"
_SILENCE = "tests/unit/actions/test_silence.py::"

_FENCE = (
    Mutant(
        "gate-proof",
        "The gate stays shut while one proof is missing",
        "lpse_ops/actions/fencing.py",
        """        if facts is None or "at" not in facts:\n            reasons.append(""",
        """        if facts is None or "at" not in facts:\n            str(""",
        (_FENCING + "test_the_gate_wants_every_proof_and_names_all_that_lack",),
    ),
    Mutant(
        "gate-fenced",
        "The gate stays shut without the fencing itself",
        "lpse_ops/actions/fencing.py",
        """    reasons = [] if fenced else [_("missing proof: %(proof)s") % {"proof": fenced_by}]\n""",
        "    reasons: list[str] = []\n",
        (_FENCING + "test_the_gate_is_shut_without_the_fencing_itself",),
    ),
    Mutant(
        "gate-older",
        "A proof from before the fencing proves nothing",
        "lpse_ops/actions/fencing.py",
        """        elif fenced and facts["at"] < fenced:\n""",
        "        elif not fenced:\n",
        (_FENCING + "test_the_gate_wants_every_proof_and_names_all_that_lack",),
    ),
    Mutant(
        "gate-list",
        "The plan demands the second reading of the power and every silence",
        "lpse_ops/procedures/failover.py",
        """PROOFS = ("fence.power-still-off", *SILENCE)""",
        "PROOFS = SILENCE",
        (_FAILOVER + "test_the_gate_asks_for_every_kind_of_proof",),
    ),
    Mutant(
        "power-off",
        "An order to switch off is believed only when the power reads off",
        "lpse_ops/actions/fencing.py",
        """        return seen[-1].state == "off"\n""",
        "        return True\n",
        (_FENCING + "test_a_power_that_is_not_seen_off_is_no_proof",),
    ),
    Mutant(
        "power-read-again",
        "A power that is on again after the delay is no proof",
        "lpse_ops/actions/fencing.py",
        """    if power != "off":\n        raise""",
        """    if power not in ("off", "on"):\n        raise""",
        (_FENCING + "test_a_power_that_came_back_is_no_proof",),
    ),
    Mutant(
        "power-delay",
        "The power is read again after a delay, not at once",
        "lpse_ops/actions/fencing.py",
        """    threading.Event().wait(float(step.args["after_s"]))\n""",
        "",
        (_FENCING + "test_the_power_is_read_again_after_the_delay_and_not_before",),
    ),
    Mutant(
        "attested-on",
        "A BMC that says on outweighs an attestation",
        "lpse_ops/actions/fencing.py",
        """    if found.state == "on":\n""",
        """    if found.state is not None and found.state not in ("on", "off"):\n""",
        (_FENCING + "test_a_bmc_that_says_on_outweighs_an_attestation",),
    ),
    Mutant(
        "silence-refused",
        "A refused connection is a kernel that lives",
        "lpse_ops/actions/silence.py",
        """        return "refused"\n""",
        """        return ""\n""",
        (_SILENCE + "test_all_ports_that_answer_are_named",),
    ),
    Mutant(
        "silence-asked",
        "Silence that could not be listened for is no silence",
        "lpse_ops/actions/silence.py",
        "        if error.errno in _SILENCE:\n",
        "        if error.errno:\n",
        (_SILENCE + "test_what_could_not_be_asked_is_no_silence",),
    ),
    Mutant(
        "silence-arp",
        "Who answers on the wire lives",
        "lpse_ops/actions/silence.py",
        """    if reply.get("answered") is not False and not (\n""",
        """    if "answered" not in reply and not (\n""",
        (_SILENCE + "test_arp_from_the_standby",),
    ),
    Mutant(
        "silence-receiver",
        "A node that still sends its log lives",
        "lpse_ops/actions/silence.py",
        """    if heard.get("heard") is not False:\n""",
        """    if "heard" not in heard:\n""",
        (_SILENCE + "test_a_receiver_that_hears_is_life",),
    ),
    Mutant(
        "network-fault",
        "A node that others reach is cut off from the controller, not dead",
        "lpse_ops/procedures/choice.py",
        "    if signs:\n",
        "    if signs and not signs:\n",
        (_FAILOVER + "test_a_node_that_others_reach_is_behind_a_network_fault",),
    ),
    Mutant(
        "healthy",
        "A healthy active node is not cut off",
        "lpse_ops/procedures/choice.py",
        "    if state is not None and _healthy(state):\n",
        "    if state is None and _healthy(state):\n",
        (_FAILOVER + "test_every_obstacle_is_a_reason",),
    ),
)

_RECORD = (
    Mutant(
        "intent",
        "The intent of a step is in the journal before its act",
        "lpse_ops/engine/runner.py",
        """\
        self._journal.append(
            "intent", step=step.id, host=step.host, action=step.action, irreversible=step.irreversible
        )
""",
        "",
        (_RUNNER + "test_an_act_finds_its_intent_on_the_disk",),
    ),
    Mutant(
        "journal-fsync",
        "An event is flushed to the disk before anybody hears of it",
        "lpse_ops/engine/journal.py",
        "            os.fdatasync(self._file)\n",
        "",
        ("tests/unit/engine/test_journal.py::test_an_event_is_flushed_before_anybody_hears_of_it",),
    ),
    Mutant(
        "mirror",
        "No irreversible act before its intent is stored on a second machine",
        "lpse_ops/engine/runner.py",
        "        self._demand_mirror(step)\n",
        "",
        (_RUNNER + "test_no_irreversible_act_without_a_mirror",),
    ),
    Mutant(
        "mirror-acknowledged",
        "A mirror counts once it has acknowledged, not when it was sent to",
        "lpse_ops/engine/mirror.py",
        "        return any(mirror.has(sent) for mirror, sent in wanted)\n",
        "        return bool(wanted)\n",
        (_RUNNER + "test_no_irreversible_act_before_the_mirror_has_answered",),
    ),
    Mutant(
        "mirror-fsync",
        "A host acknowledges a line of the journal only when it is on its disk",
        _NODE + "journal.sh",
        """{ printf '%s\\n' "$line" >>"$file" && sync "$file"; } ||""",
        """{ printf '%s\\n' "$line" >>"$file"; } ||""",
        (_VERBS + "test_what_cannot_be_flushed_is_not_acknowledged",),
    ),
    Mutant(
        "journal-hash",
        "A changed byte in a journal is found",
        "lpse_ops/engine/journal.py",
        """            or event["hash"] != event_hash(event)\n""",
        "",
        ("tests/unit/engine/test_journal.py::test_damage_is_found",),
    ),
    Mutant(
        "journal-chain",
        "An event that was put into a journal with a hash of its own is found",
        "lpse_ops/engine/journal.py",
        """            or event["previous"] != previous\n""",
        "",
        ("tests/unit/engine/test_journal.py::test_damage_is_found",),
    ),
    Mutant(
        "journal-cut",
        "A journal whose end was cut off is found by its copies",
        "lpse_ops/engine/anchoring.py",
        """        if how == "cut":\n""",
        """        if how == "cut" and not theirs:\n""",
        (_ANCHORING + "test_a_cut_tail_is_found",),
    ),
    Mutant(
        "journal-unanchored",
        "A journal that no other machine holds is not vouched for",
        "lpse_ops/engine/anchoring.py",
        "    if not faults and anchored < len(events):\n",
        "    if not faults and 0 < anchored < len(events):\n",
        (_ANCHORING + "test_without_a_copy_a_journal_is_unanchored",),
    ),
    Mutant(
        "journal-site",
        "A journal of another site is no journal of this one",
        "lpse_ops/engine/anchoring.py",
        "    if theirs != site.name:\n",
        "    if not theirs:\n",
        (_ANCHORING + "test_a_journal_of_another_site_is_found",),
    ),
)

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

_LOSS = (
    Mutant(
        "loss-confirmed",
        "A loss beyond the RPO needs a reason",
        "lpse_ops/cli/failover.py",
        "        if within(stated, site.policy.rpo_s):\n",
        "        if stated:\n",
        (_CONFIRM + "test_beyond_the_rpo_a_yes_is_not_enough",),
    ),
    Mutant(
        "loss-unknown",
        "A loss that nobody knows is not within the RPO",
        "lpse_ops/actions/loss.py",
        """    return stated.get("seconds") is not None and stated["seconds"] <= rpo_s\n""",
        """    return (stated.get("seconds") or 0) <= rpo_s\n""",
        (_CONFIRM + "test_what_is_unknown_counts_as_beyond_the_rpo",),
    ),
    Mutant(
        "loss-first",
        "Nothing is written in the dead node's name before the loss was confirmed",
        "lpse_ops/procedures/failover.py",
        """needs=("loss.confirm",) if host == voters[0]""",
        """needs=("fence.gate",) if host == voters[0]""",
        (_FAILOVER + "test_nothing_acts_in_the_name_of_the_dead_before_every_proof",),
    ),
    Mutant(
        "clock-first",
        "Zone and clock are checked before the public is let in",
        "lpse_ops/procedures/failover.py",
        """"application.start", "clock.check"),""",
        """"application.start"),""",
        (_FAILOVER + "test_time_is_checked_before_the_public_is_let_in",),
    ),
)

_RESUME = (
    Mutant(
        "proof-again",
        "A resume observes the proofs again",
        "lpse_ops/engine/resumption.py",
        " and not self._proven_again(step):\n",
        " and step.id not in status:\n",
        (_RUNNER + "test_a_lost_proof_supersedes_the_run",),
    ),
    Mutant(
        "overtaken",
        "A run that another one has overtaken does not go on",
        "lpse_ops/engine/resumption.py",
        "        if overtaken := preconditions.overtaken(",
        "        if [] and preconditions.overtaken(",
        (_PRECONDITIONS + "test_an_overtaken_run_is_superseded",),
    ),
    Mutant(
        "preconditions",
        "A resume does not go on with a standby that was promoted by hand",
        "lpse_ops/engine/resumption.py",
        "        if reasons:\n            self._lost(",
        "        if not reasons and reasons:\n            self._lost(",
        (_PRECONDITIONS + "test_a_standby_that_was_promoted_by_hand_supersedes_the_run",),
    ),
)

_SECRETS = (
    Mutant(
        "sealed-vault",
        "An inventory whose vault is not encrypted does not leave the workstation",
        "playbooks/filter_plugins/lpse_sealed.py",
        " and not data.startswith(VAULT_MAGIC):",
        " and not data:",
        ("tests/unit/site/test_sealed.py::test_no_private_key_and_no_plain_secret_is_in_it",),
    ),
)

PROTECTIONS = (*_FENCE, *_RECORD, *_ONE_RUN, *_EPOCHS, *_DOORS, *_LOSS, *_RESUME, *_SECRETS)

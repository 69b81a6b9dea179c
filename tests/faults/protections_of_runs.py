"""Protections in what the controller does: plan, engine, command line."""

from tests.faults.mutant import Mutant

_FAILOVER = "tests/unit/procedures/test_failover.py::"
_RUNNER = "tests/unit/engine/test_runner.py::"
_NODE = "roles/node/files/node.d/"
_VERBS = "tests/unit/node/test_verbs.py::"
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

_LOSS = (
    Mutant(
        "loss-confirmed",
        "A loss beyond the RPO needs a reason",
        "lpse_ops/cli/planning.py",
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

OF_RUNS = (*_FENCE, *_RECORD, *_LOSS, *_RESUME, *_SECRETS)

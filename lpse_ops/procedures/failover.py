"""Failover, unplanned: the active node is dead or must be treated so; the standby takes over.

The order is the safety argument: no step that acts in the dead node's name may start before the gate has its
proofs, and nothing is promoted before the new epoch is on the disks of two voters. What that leaves
independent runs side by side.
"""

from collections.abc import Mapping
from typing import Any

from lpse_ops.i18n import N_
from lpse_ops.observe.site import SiteObservation
from lpse_ops.plan import Plan, Step
from lpse_ops.procedures.choice import Choice
from lpse_ops.site import Site

SILENCE = (
    "fence.host-silent",
    "fence.host-unheard",
    "fence.address-silent",
    "fence.service-silent",
    "fence.receiver-silent",
)
PROOFS = ("fence.power-still-off", *SILENCE)  # after fence.power-off
ATTESTED_PROOFS = ("fence.power-not-on", *SILENCE)  # after fence.attest
_LOOKS = N_("It only looks.")


def build(site: Site, choice: Choice, seen: SiteObservation, options: Mapping[str, Any]) -> Plan:
    """Given a site, an allowed choice, what was seen and the operator's options, return the plan that makes
    it so.
    """
    old, new, repository = choice.old, choice.new, site.repository.name
    fencing = site.fencing
    # The repository first: a record that only the new node knew would be lost with it. Without a witness (an operator's
    # exception) the run does without the repository altogether.
    voters = (repository, new) if choice.witnessed else (new,)
    fenced_by = "fence.attest" if choice.attested else "fence.power-off"
    steps = (
        *(
            _attest(old, options.get("attest") or {})
            if choice.attested
            else _cut(old, fencing.reread_after_s)
        ),
        *_fence(site, old, new, fenced_by),
        *_decide(old, new, voters, choice.record, fenced_by),
        *_take_over(new, voters, site.instance.start_timeout_s),
    )
    facts = {
        "observed_at": seen.observed_at,
        "unseen": seen.unseen(),
        "power": {node: reading.state for node, reading in seen.power.items()},
        "waits": {"reread_after_s": fencing.reread_after_s, "silent_for_s": fencing.silent_for_s},
        "fencing": "attested" if choice.attested else "proven",
        "record": choice.record,
        "notes": list(choice.notes),
        "token": max((view.state.token or 0 for view in seen.hosts.values() if view.state), default=0),
    }
    return Plan(
        "failover", site.name, steps, facts, dict(options), hosts=(new, *voters[:-1]), declared_dead=(old,)
    )


def _cut(old: str, reread_s: float) -> tuple[Step, ...]:
    return (
        Step(
            "fence.power-off",
            N_("Take the power of the old active node"),
            "controller",
            "fence.power-off",
            deadline_s=60,
            changes=(f"power:{old}",),
            console=N_("Hold the power button of the old active node until it is off, or pull its plug."),
            args={"node": old},
            irreversible=True,
            no_undo=N_("Switching it on again is for a person; its return guard then keeps it closed."),
        ),
        Step(
            "fence.power-still-off",
            N_("Read the power again after a delay"),
            "controller",
            "fence.power-still-off",
            deadline_s=15 + reread_s,
            observes=(f"power:{old}",),
            args={"node": old, "after_s": reread_s},
            needs=("fence.power-off",),
            no_undo=_LOOKS,
            floor="wait",
            floor_s=reread_s,
            proof=True,
        ),
    )


def _attest(old: str, attest: Mapping[str, Any]) -> tuple[Step, ...]:
    """Where no program can read the power: the word of a person, and a look whether the BMC says otherwise."""
    return (
        Step(
            "fence.attest",
            N_("Record who attests that the old active node is dead"),
            "controller",
            "fence.attest",
            deadline_s=5,
            args={"node": old, **attest},
            no_undo=N_("A word once given stays in the journal."),
        ),
        Step(
            "fence.power-not-on",
            N_("See that its BMC does not say that it is on"),
            "controller",
            "fence.power-not-on",
            deadline_s=15,
            observes=(f"power:{old}",),
            args={"node": old},
            needs=("fence.attest",),
            no_undo=_LOOKS,
            proof=True,
        ),
    )


def _fence(site: Site, old: str, new: str, fenced_by: str) -> tuple[Step, ...]:
    """The proofs that do not depend on the power, and the gate."""
    attested = fenced_by == "fence.attest"
    host, service = str(site.nodes[old].address), str(site.service.address)
    proofs = ATTESTED_PROOFS if attested else PROOFS

    def silence(step_id: str, title: str, where: str, sees: str, *, proof: bool = False, **args: Any) -> Step:
        return Step(
            step_id,
            title,
            where,
            step_id,
            deadline_s=10 + site.fencing.silent_for_s,
            observes=(sees,),
            args={**args, "for_s": site.fencing.silent_for_s},
            needs=(fenced_by,),
            no_undo=_LOOKS,
            floor="wait",
            floor_s=site.fencing.silent_for_s,
            proof=proof,
        )

    return (
        silence(
            "fence.host-silent",
            N_("See that the old node's own address is silent"),
            "controller",
            f"silence:{old}",
            # Without its power to look at, a resume must at least find it silent.
            proof=attested,
            address=host,
            ports=[22, 443, site.database.port],
        ),
        silence(
            "fence.host-unheard",
            N_("See from the standby that nobody answers for the old node's address"),
            new,
            f"silence:{old}",
            proof=attested,
            address=host,
        ),
        silence(
            "fence.address-silent",
            N_("See that nobody answers for the service address"),
            new,
            "service-address",
            address=service,
        ),
        silence(
            "fence.service-silent",
            N_("See that neither the service nor the old application takes connections"),
            "controller",
            "service-address",
            targets=[[service, 443], [host, site.instance.port]],
            service=service,
            new=new,
        ),
        silence(
            "fence.receiver-silent",
            N_("See that the old node sends the standby nothing any more"),
            new,
            "receiver",
            node=old,
        ),
        Step(
            "fence.gate",
            N_("Collect the proofs of death"),
            "controller",
            "fence.gate",
            deadline_s=5,
            args={
                "node": old,
                "fencing": "attested" if attested else "proven",
                "fenced_by": fenced_by,
                "proofs": list(proofs),
            },
            needs=(fenced_by, *proofs),
            no_undo=_LOOKS,
        ),
    )


def _decide(
    old: str, new: str, voters: tuple[str, ...], record: Mapping[str, Any], fenced_by: str
) -> tuple[Step, ...]:
    return (
        Step(
            "loss.state",
            N_("State what can be lost"),
            new,
            "loss.state",
            deadline_s=15,
            observes=("standby",),
            args={"node": old, "samplers": list(voters[:-1]), "power_off": fenced_by},
            needs=(fenced_by,),
            no_undo=N_("It only looks."),
        ),
        Step(
            "loss.confirm",
            N_("Confirm, at the point of no return"),
            "controller",
            "loss.confirm",
            deadline_s=3600,
            args={"statement": "loss.state"},
            needs=("fence.gate", "loss.state"),
            no_undo=N_("A word once given stays in the journal."),
        ),
        *(
            Step(
                f"epoch.{host}",
                N_("Record the new epoch on %(host)s"),
                host,
                "epoch.write",
                deadline_s=15,
                observes=("records",),
                changes=("record",),
                console="echo 'RECORD' | lpse-node epoch write --run RUN --token TOKEN",
                args={"record": dict(record)},
                needs=("loss.confirm",) if host == voters[0] else (f"epoch.{voters[0]}",),
                irreversible=True,
                no_undo=N_("An epoch only rises; another failover raises it again."),
            )
            for host in voters
        ),
    )


def _take_over(new: str, voters: tuple[str, ...], start_timeout_s: float) -> tuple[Step, ...]:
    return (
        Step(
            "address.claim",
            N_("Claim the service address; the public sees the notice"),
            new,
            "address.claim",
            deadline_s=15,
            observes=("records",),
            changes=("service-address",),
            console="lpse-node claim-address --run RUN --token TOKEN",
            needs=(f"epoch.{new}",),
            undo="release-address",
            again=True,
        ),
        Step(
            "database.promote",
            N_("Promote the database"),
            new,
            "database.promote",
            deadline_s=90,
            observes=("records", "standby"),
            changes=("database",),
            console="lpse-node promote --run RUN --token TOKEN",
            needs=tuple(f"epoch.{voter}" for voter in voters),
            irreversible=True,
            no_undo=N_(
                "A promoted database is on a timeline of its own; the old node is made its standby later."
            ),
            floor="act",
        ),
        Step(
            "application.start",
            N_("Start the application"),
            new,
            "application.start",
            deadline_s=start_timeout_s,
            observes=("records",),
            changes=("application",),
            console="lpse-node application start --run RUN --token TOKEN",
            needs=(f"epoch.{new}",),
            undo="application stop",
            again=True,
            floor="act",
        ),
        Step(
            "clock.check",
            N_("Check zone and clock before the public is let in"),
            new,
            "clock.check",
            deadline_s=10,
            observes=("clock",),
            needs=("loss.confirm",),
            again=True,
            no_undo=N_("It only looks."),
        ),
        Step(
            "proxy.open",
            N_("Open the site to the public"),
            new,
            "proxy.open",
            deadline_s=30,
            observes=("records",),
            changes=("public",),
            console="lpse-node activate --run RUN --token TOKEN",
            needs=("address.claim", "database.promote", "application.start", "clock.check"),
            undo="deactivate",
            again=True,
        ),
        Step(
            "verify.outside",
            N_("Look at the site from outside"),
            "controller",
            "verify.outside",
            deadline_s=30,
            observes=("public",),
            critical=False,
            needs=("proxy.open",),
            again=True,
            no_undo=N_("It only looks."),
        ),
    )

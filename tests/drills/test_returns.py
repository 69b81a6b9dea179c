"""The old node serves again while a failover from it stands still: nothing it took meanwhile is lost unsaid."""

import json
from pathlib import Path

from lpse_ops.drill.ledger import Ledger
from lpse_ops.lab.lab import Lab
from lpse_ops.site import enter_network, load_site
from lpse_ops.waiting import wait_until
from tests.drills.bench import killed, lpse_ops, served_by, told
from tests.faults import invariants
from tests.faults.prober import Prober
from tests.faults.row import LIGHT, TENDERS, ready, target


def test_the_old_node_serves_again_before_the_epoch_is_written(lab: Lab, tmp_path: Path) -> None:
    ready(lab)
    enter_network(load_site(f"lab:{lab.name}"))
    book = tmp_path / "ledger.jsonl"
    with Prober(lab, TENDERS[0]) as prober, Ledger(book, target(lab), LIGHT) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 5, 30)
        lab.power_cut("node1")
        dead = lpse_ops(lab, "failover", "--yes", LPSE_OPS_KILL_AT="begun:epoch.repository")
        assert killed(dead), dead.stdout
        lab.power_on("node1")
        assert wait_until(lambda: served_by(lab, "node1") == [], 120), served_by(lab, "node1")
        before = ledger.acknowledged
        assert wait_until(lambda: ledger.acknowledged >= before + 20, 60), ledger.failures
        done = lpse_ops(lab, "resume", "--yes", "--accept-loss", "a drill: whatever is lost")
        serves = "node1" if done.returncode == 3 else "node2"
        assert done.returncode in (3, 5), done.stdout[-2000:] + done.stderr[-2000:]
        assert wait_until(lambda: served_by(lab, serves) == [], 60), served_by(lab, serves)
    stated = 0 if serves == "node1" else told(done)["stated_loss"]["documents"]
    assert invariants.loss_as_stated(invariants.books_of(lab, book, prober, serves), stated) == [], (
        json.dumps(told(done))
    )
    assert serves == "node1", "a healthy active node was powered off by a run that had changed nothing"

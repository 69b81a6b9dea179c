"""The loss statement is an upper bound of what was acknowledged, whatever the samples missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpse_ops.observe.facts import Newest, Sample, SampledDocuments
from lpse_ops.observe.loss import Held, state_loss
from lpse_ops.observe.lsn import Lsn


def sample(time: float, lsn: int, documents: int, wal_rate: float = 0.0, rate: float = 0.0) -> Sample:
    counted = SampledDocuments(documents, rate, Newest(f"doc-{documents}", time))
    return Sample(time, True, "node1", Lsn(lsn), wal_rate, counted, None, None)


def silence(time: float) -> Sample:
    return Sample(time, False, None, None, None, None, None, "no answer")


def test_nothing_sampled_means_nothing_can_be_stated() -> None:
    loss = state_loss([[silence(10)]], "node1", Held(Lsn(0), 0), 12)
    assert (loss.seconds, loss.wal_bytes, loss.documents) == (None, None, None)


def test_samples_of_another_active_node_do_not_count() -> None:
    assert state_loss([[sample(10, 5, 5)]], "node2", Held(Lsn(5), 5), 12).seconds is None


def test_a_survivor_that_has_all_can_lose_only_what_came_after_the_last_sample() -> None:
    loss = state_loss(
        [[sample(10, 1000, 50, wal_rate=100, rate=5), silence(12)]], "node1", Held(Lsn(1000), 50), 30
    )
    assert loss.seconds == pytest.approx(2.0)
    assert loss.wal_bytes == 200
    assert loss.documents == 10
    assert loss.age_s == pytest.approx(2.0)
    assert loss.newest is not None
    assert loss.newest["name"] == "doc-50"


def test_a_lagging_survivor_loses_from_where_its_log_ends() -> None:
    samples = [sample(t, 100 * t, 10 * t, wal_rate=100, rate=10) for t in range(1, 11)]
    loss = state_loss([samples], "node1", Held(Lsn(400), 40), 11)
    assert loss.seconds == pytest.approx(7.0)
    assert loss.wal_bytes == 600 + 100
    assert loss.documents == 70


def test_a_log_that_ends_before_all_samples_is_dated_by_its_last_commit() -> None:
    samples = [sample(t, 100 * t, t) for t in range(500, 510)]
    assert state_loss([samples], "node1", Held(Lsn(400), 40, last_commit=4.0), 510).seconds == pytest.approx(
        506
    )
    assert state_loss([samples], "node1", Held(Lsn(400), 40), 510).seconds is None


def test_rates_are_the_highest_recent_ones() -> None:
    samples = [sample(1, 10, 1, wal_rate=1000, rate=9), sample(3, 20, 2, wal_rate=1, rate=1)]
    assert state_loss([samples], "node1", Held(Lsn(20), 2), 4).documents == 9


def test_without_a_sign_of_death_the_power_off_bounds_it() -> None:
    assert state_loss([[sample(10, 5, 5)]], "node1", Held(Lsn(5), 5), 15).seconds == pytest.approx(5.0)


def test_one_sampler_that_is_cut_off_is_no_sign_of_death() -> None:
    cut_off = [sample(8, 900, 48, rate=5), silence(12)]
    hears = [sample(10, 1000, 50, rate=5)]
    assert state_loss([cut_off, hears], "node1", Held(Lsn(1000), 50), 30).age_s == pytest.approx(20)
    lost_later = [*hears, silence(14)]
    assert state_loss([cut_off, lost_later], "node1", Held(Lsn(1000), 50), 30).age_s == pytest.approx(4)


def test_with_the_power_still_on_silence_is_no_sign_of_death() -> None:
    samples = [sample(10, 1000, 50, rate=5), silence(12)]
    assert state_loss([samples], "node1", Held(Lsn(1000), 50), 30, alive=True).documents == 100


def test_a_rush_in_the_last_seconds_counts() -> None:
    samples = [sample(8, 0, 0, rate=1), sample(10, 4000, 40, rate=2)]
    loss = state_loss([samples], "node1", Held(Lsn(4000), 40), 11)
    assert (loss.documents, loss.wal_bytes) == (20, 2000)


@given(
    rate=st.integers(1, 50),
    cut=st.integers(0, 60),
    death=st.floats(0, 1.99),
    late=st.floats(0, 30),
)
def test_a_steady_writer_never_loses_more_than_stated(rate: int, cut: int, death: float, late: float) -> None:
    """A writer of `rate` documents and 100 times as many bytes a second; the survivor is cut off at second `cut`."""
    end = 60 + death
    samples = [sample(t, 100 * rate * t, rate * t, wal_rate=100 * rate, rate=rate) for t in range(0, 61, 2)]
    held = Held(Lsn(100 * rate * cut), rate * cut)
    loss = state_loss([[*samples, silence(62)]], "node1", held, end + late)
    written, kept = int(rate * end), rate * cut
    assert loss.documents is not None
    assert loss.wal_bytes is not None
    assert loss.seconds is not None
    assert written - kept <= loss.documents
    assert 100 * (written - kept) <= loss.wal_bytes
    assert end - cut <= loss.seconds + 0.01

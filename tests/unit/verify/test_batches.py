"""Batches of probes: all probes, once, no more than there is room for, and of few machines."""

from __future__ import annotations

from netlab.verify.batches import PairProbe, batches, pairs

VMS = [f"vm{number}" for number in range(100)]
FREE = 960
PLENTY = 1_000_000


def mesh() -> list[PairProbe]:
    """Every VM to every other, and all of them to and from a machine behind a router."""
    among_vms = [PairProbe(a, b, b, direct=True) for a in VMS for b in VMS if a != b]
    far = [PairProbe(a, "far", "far") for a in VMS] + [PairProbe("far", a, a) for a in VMS]
    return [*among_vms, *far]


def plan(
    probes: list[PairProbe], free: int, most: int = PLENTY
) -> list[tuple[list[int], list[int]]]:
    return list(batches(pairs(probes, free), free, most))


def neighbours(probes: list[PairProbe]) -> int:
    ends = {frozenset((probe.source, probe.target)) for probe in probes if probe.direct}
    return 2 * len(ends)


def test_each_probe_goes_once():
    probes = mesh()
    numbers = [n for forward, reverse in plan(probes, FREE) for n in forward + reverse]
    assert sorted(numbers) == list(range(len(probes)))


def test_batches_fill_the_neighbour_table_and_do_not_overflow_it():
    probes = mesh()
    needed = [
        neighbours([probes[n] for n in forward + reverse])
        for forward, reverse in plan(probes, FREE)
    ]
    assert max(needed) <= FREE
    assert len(needed) <= -(-neighbours(probes) // FREE) + 1


def test_who_is_asked_answers_later():
    probes = mesh()
    for forward, reverse in plan(probes, FREE):
        asked = [(probes[n].source, probes[n].target) for n in forward]
        assert sorted(asked) == sorted((probes[n].target, probes[n].source) for n in reverse)


def test_few_machines_have_to_do_with_a_batch():
    probes = [probe for probe in mesh() if probe.direct]
    ends = [
        {probes[n].source for n in forward + reverse} for forward, reverse in plan(probes, FREE)
    ]
    assert max(map(len, ends)) < len(VMS)
    assert sum(map(len, ends)) < 0.8 * len(VMS) * len(ends)


def test_pairs_that_may_not_answer_have_batches_of_their_own_where_there_are_several():
    probes = mesh()
    kinds = [
        {probes[n].direct for n in forward + reverse} for forward, reverse in plan(probes, FREE)
    ]
    assert {False} in kinds and {True, False} not in kinds
    assert len(plan(probes, PLENTY)) == 1


def test_no_more_go_together_than_a_buffer_holds():
    probes = mesh()
    assert all(len(forward) + len(reverse) <= 100 for forward, reverse in plan(probes, PLENTY, 100))

"""Random programs: every one that is accepted has the right derivatives, and few are refused."""

import os

import pytest

from tests.derivatives.fuzzer import verdict

FIRST = int(os.environ.get("SECONDORDER_FUZZ_FIRST", "0"))
NUMBER = int(os.environ.get("SECONDORDER_FUZZ_NUMBER", "20"))
GROUP = 20  # programs a test


@pytest.mark.parametrize("first", range(FIRST, FIRST + NUMBER, GROUP))
def test_random_programs(first):
    found = {seed: verdict(seed) for seed in range(first, first + GROUP)}
    assert {seed: why for seed, (kind, why) in found.items() if kind == "wrong"} == {}
    assert sum(kind == "ok" for kind, _ in found.values()) >= 0.8 * GROUP

"""Tests for pytest, many of them."""

import pytest

from work import work


@pytest.mark.parametrize("n", range(40))
def test_work(n):
    assert work(500) >= 0

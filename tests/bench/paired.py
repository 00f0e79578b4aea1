# SPDX-License-Identifier: MIT
"""Paired measurements: two variants in turn, A B B A A B ..., so that whatever
drifts on the machine meets both alike; medians, and quartiles of the ratios."""

import statistics
import sys
from dataclasses import asdict, dataclass, field


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    q = statistics.quantiles(values, n=4, method="inclusive")
    return q[0], q[2]


@dataclass
class Row:
    """One line of the result: `without` and `with_` in `unit`, and their ratio or
    difference held against a target."""
    family: str
    name: str
    unit: str
    without: float
    with_: float
    value: float            # what the target is about
    low: float              # quartiles of value
    high: float
    target: float | None = None
    at_most: bool = False   # the target is an upper limit
    rounds: int = 0
    notes: str = ""
    extra: dict = field(default_factory=dict)

    @property
    def met(self):
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    def as_dict(self):
        return {**asdict(self), "met": self.met}


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def turns(rounds):
    """(round, variant index), alternating which of the two goes first."""
    for i in range(rounds):
        for v in ((0, 1) if i % 2 == 0 else (1, 0)):
            yield i, v


def ratio_row(family, name, unit, run, rounds, target=None, notes="", extra=None):
    """run(variant, round) -> rate, higher is better; variant 0 without, 1 with."""
    rates = ([0.0] * rounds, [0.0] * rounds)
    for i, v in turns(rounds):
        progress(f"{family}: {name}, round {i + 1} of {rounds}")
        rates[v][i] = run(v, i)
    progress("")
    ratios = [b / a for a, b in zip(*rates)]
    low, high = quartiles(ratios)
    return Row(family, name, unit, statistics.median(rates[0]), statistics.median(rates[1]),
               statistics.median(ratios), low, high, target, False, rounds, notes, extra or {})

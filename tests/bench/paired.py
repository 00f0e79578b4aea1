# SPDX-License-Identifier: MIT
"""Paired measurements: two variants in turn, A B B A A B ..., or three, A B C B C A ...,
so that whatever drifts on the machine meets all alike; medians, and quartiles of the
ratios."""

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


def turns(rounds, variants=2):
    """(round, variant index); another one goes first in every round."""
    for i in range(rounds):
        for k in range(variants):
            yield i, (i + k) % variants


def measured(what, run, rounds, variants=2):
    """What run(variant, round) gives, as a list of the rounds for each variant."""
    results = [[None] * rounds for _ in range(variants)]
    for i, v in turns(rounds, variants):
        progress(f"{what}, round {i + 1} of {rounds}")
        results[v][i] = run(v, i)
    progress("")
    return results


def rates_row(family, name, unit, without, with_, target=None, notes="", extra=None):
    """Rates of the same rounds without and with, higher is better."""
    ratios = [b / a for a, b in zip(without, with_)]
    low, high = quartiles(ratios)
    return Row(family, name, unit, statistics.median(without), statistics.median(with_),
               statistics.median(ratios), low, high, target, False, len(ratios), notes,
               extra or {})


def ratio_row(family, name, unit, run, rounds, target=None, notes="", extra=None):
    """run(variant, round) -> rate, higher is better; variant 0 without, 1 with."""
    without, with_ = measured(f"{family}: {name}", run, rounds)
    return rates_row(family, name, unit, without, with_, target, notes, extra)


def better_row(family, name, unit, run, rounds, variants, target=None):
    """run as above, of three: the last one against the better of the first two. Which
    one that is their medians say: of each round the better would be the luckier one."""
    rates = measured(f"{family}: {name}", run, rounds, 3)
    medians = [statistics.median(r) for r in rates]
    best = medians.index(max(medians[:2]))
    notes = "; ".join(f"{v} {m:,.0f}" for v, m in zip(variants[:2], medians)) \
        + f": against {variants[best]}"
    return rates_row(family, name, unit, rates[best], rates[2], target, notes,
                     {"rates": dict(zip(variants, medians))})

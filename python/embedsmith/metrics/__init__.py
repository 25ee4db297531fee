"""Measures of runs, with their uncertainty: per-query values, intervals, tests and verdicts.

>>> from embedsmith.metrics import evaluate_run
>>> qrels = {"q1": {"d1": 1, "d2": 2}, "q2": {"d3": 1}}
>>> run = {"q1": {"d2": 0.9, "d7": 0.8, "d1": 0.7}, "q2": {"d4": 0.6, "d3": 0.5}}
>>> table = evaluate_run(qrels, run, ["R@2", "RR"])
>>> table.mean
{'R@2': 0.75, 'RR': 0.75}
"""

from __future__ import annotations

from embedsmith.metrics._compare import compare_runs, compare_tables
from embedsmith.metrics._comparison import PairDifference, RunComparison
from embedsmith.metrics._corrections import corrected_p
from embedsmith.metrics._effects import EffectSize, Equivalence, effect_size, equivalence
from embedsmith.metrics._evaluate import evaluate_run
from embedsmith.metrics._evaluator import Evaluator
from embedsmith.metrics._intervals import Interval, mean_interval, wilson_interval
from embedsmith.metrics._measures import Measure
from embedsmith.metrics._names import parse_measure, parse_measures
from embedsmith.metrics._paired import PairedTest, paired_test, smallest_p
from embedsmith.metrics._power import PowerAnalysis, power
from embedsmith.metrics._sequence import ConfidenceSequence, confidence_sequence
from embedsmith.metrics._table import MetricTable
from embedsmith.metrics._tukey import TukeyHsd, tukey_hsd
from embedsmith.metrics._verdict import Verdict, decide

__all__ = [
    "ConfidenceSequence",
    "EffectSize",
    "Equivalence",
    "Evaluator",
    "Interval",
    "Measure",
    "MetricTable",
    "PairDifference",
    "PairedTest",
    "PowerAnalysis",
    "RunComparison",
    "TukeyHsd",
    "Verdict",
    "compare_runs",
    "compare_tables",
    "confidence_sequence",
    "corrected_p",
    "decide",
    "effect_size",
    "equivalence",
    "evaluate_run",
    "mean_interval",
    "paired_test",
    "parse_measure",
    "parse_measures",
    "power",
    "smallest_p",
    "tukey_hsd",
    "wilson_interval",
]

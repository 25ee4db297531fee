"""Names of measures."""

from __future__ import annotations

import pytest

from embedsmith.exceptions import MeasureError
from embedsmith.metrics import Measure, parse_measure, parse_measures


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("nDCG@10", "nDCG@10"),
        ("NDCG@10", "nDCG@10"),
        (" ndcg@10 ", "nDCG@10"),
        ("ndcg", "nDCG"),
        ("ndcg_cut_10", "nDCG@10"),
        ("recall@100", "R@100"),
        ("recall_100", "R@100"),
        ("r@5", "R@5"),
        ("mrr@10", "RR@10"),
        ("recip_rank", "RR"),
        ("map", "AP"),
        ("map_cut_10", "AP@10"),
        ("AP(rel=2)@100", "AP(rel=2)@100"),
        ("P( rel = 2 )@5", "P(rel=2)@5"),
        ("P_5", "P@5"),
        ("precision@5", "P@5"),
        ("hit@1", "Success@1"),
        ("hit_rate@1", "Success@1"),
        ("success_1", "Success@1"),
        ("P(rel=1)@5", "P@5"),
    ],
)
def test_aliases_mean_the_canonical_name_which_means_itself(written, canonical):
    measure = parse_measure(written)
    assert str(measure) == canonical
    assert parse_measure(canonical) == measure


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nDGC@10", r"no measure 'ndgc@10'; did you mean 'nDCG@10'\?"),
        ("recal@20", r"did you mean 'R@20'\?"),
        ("recip_rnk", r"did you mean 'recip_rank'\?"),
        ("quality", r"choose among nDCG@10, AP"),
        ("ndcg@", r"did you mean 'nDCG@10'\?"),
        ("ndcg10", r"did you mean 'nDCG@10'\?"),
        ("recall-5", r"did you mean 'R@5'\?"),
        ("ndcg@10;r@10", r"put commas between measures: 'ndcg@10,r@10'"),
        ("ndcg_cut_10 recip_rank", r"commas between measures: 'ndcg_cut_10,recip_rank'"),
        ("ndcg@10 r@10  ap", r"put commas between measures: 'ndcg@10,r@10,ap'"),
        ("ndcg@ten", r"did you mean 'nDCG@10'\?"),
        ("ndcg@0", r"cutoff 0; the first rank is 1: write nDCG@10"),
        ("recall", r"R needs a cutoff; write R@10"),
        ("P(rel=2)", r"needs a cutoff; write P\(rel=2\)@10"),
        ("P(rel=0)@5", r"grade 0 as relevant; write rel=1"),
        ("nDCG(rel=2)@10", r"no threshold changes. Write nDCG@10"),
        ("", r"no measure ''"),
    ],
)
def test_wrong_names_are_refused_with_the_right_one(written, message):
    with pytest.raises(MeasureError, match=message):
        parse_measure(written)


def test_lists_keep_their_order_and_drop_repetitions():
    assert parse_measures("rr@10, ndcg@10,mrr@10") == (Measure("RR", 10), Measure("nDCG", 10))
    assert parse_measures(Measure("AP")) == (Measure("AP"),)
    with pytest.raises(MeasureError, match="no measure is named"):
        parse_measures(" , ")

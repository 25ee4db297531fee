"""Names of measures."""

from __future__ import annotations

from typing import get_args

import pytest

from embedsmith.exceptions import MeasureError
from embedsmith.metrics import Measure, parse_measure, parse_measures
from embedsmith.metrics._kinds import Kind


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
        ("ndcg_at_10", "nDCG@10"),
        ("mrr_at_10", "RR@10"),
        ("hit_rate_at_5", "Success@5"),
        ("ndcg_cut.10", "nDCG@10"),
        ("nDCG(gain='exp2')@10", 'nDCG(gain="exp2")@10'),
        ("nDCG(dcg='exp-log2')@10", 'nDCG(gain="exp2")@10'),
        ("nDCG(gains={0:0,1:1,2:5})", "nDCG(gain={0:0,1:1,2:5})"),
        ("nDCG(gain = {2: 5, 1: 0.5})@3", "nDCG(gain={1:0.5,2:5})@3"),
        ("ndcg_burges@10", 'nDCG(gain="exp2")@10'),
        ('ndcg(gain="binary",rel=2)@5', 'nDCG(rel=2,gain="binary")@5'),
        ("DCG@10", "DCG@10"),
        ('AP(norm="min_k")@10', 'AP(norm="min_k")@10'),
        ("gm_map", "gMAP"),
        ("R(cap=True)@10", "R(cap=True)@10"),
        ("R_cap@10", "R(cap=True)@10"),
        ("accuracy@3", "Success@3"),
        ("F(beta=2)@10", "F(beta=2)@10"),
        ("f1@10", "F@10"),
        ("P(rel=0.5)@5", "P(rel=0.5)@5"),
        ("P(judged_only=True)@5", "P(judged_only=True)@5"),
        ("R-precision", "Rprec"),
        ("bpref", "Bpref"),
        ("infap", "infAP"),
        ("RBP(p=0.95)", "RBP(p=0.95)"),
        ("rbp.95", "RBP(p=0.95)"),
        ("RBP(p=0.8)@20", "RBP@20"),
        ("rbp(residual=True)", "RBP(residual=True)"),
        ("ERR@20", "ERR@20"),
        ("nerr(max_rel=4)@20", "NERR(max_rel=4)@20"),
        ("IPrec@0.1", "IPrec@0.1"),
        ("iprec_at_recall_0.10", "IPrec@0.1"),
        ("iprec_at_recall_0.00", "IPrec@0"),
        ("11pt_avg", "11pt"),
        ("judged@10", "Judged@10"),
        ("hole@10", "Hole@10"),
        ("set_F", "SetF"),
        ("set_F_4", "SetF(beta=2)"),
        ("set_P", "SetP"),
        ("set_recall", "SetR"),
        ("set_map", "SetAP"),
        ("num_rel_ret", "NumRelRet"),
        ("num_q", "NumQ"),
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
        ("bpreff", r"did you mean 'Bpref'"),
        ("num_rell", r"did you mean 'NumRel'"),
        ("iprec_at_recal@0.2", r"did you mean 'IPrec@0.1'"),
        ("Rprec@10", r"takes no cutoff"),
        ("P@2.5", r"ranks are whole numbers: write P@10"),
        ("IPrec", r"needs a level of recall from 0 to 1; write IPrec@0.1"),
        ("IPrec@1.5", r"needs a level of recall"),
        ("RR(beta=2)", r"RR takes no beta; its parameters are: judged_only, rel"),
        ("P(rell=2)@5", r"did you mean 'rel'"),
        ("P(2)@5", r"'2' is no parameter of a measure"),
        ("nDCG(gain=cubic)", r"gain='cubic' is not known; write \"linear\""),
        ("nDCG(gain={1:-1})", r"give each grade one gain, from 0 on"),
        ("RBP(p=1)", r"p=1 is no probability"),
        ("F(beta=0)@3", r"beta=0 is not above 0"),
        ("ERR(max_rel=0)", r"max_rel=0 is no largest grade"),
        ("AP(norm=k)@3", r"norm='k' is not known"),
        ("P(rel=high)@3", r"parameter that is no number or name"),
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


def test_every_measure_tells_what_it_is_and_has_a_name_that_means_it():
    names = "nDCG,DCG@5,AP,gMAP,RR,R@5,P@5,F@5,Success@5,Rprec,Bpref,infAP,RBP,ERR,NERR,IPrec@0.5"
    names += ",11pt,Judged@5,Hole,SetP,SetR,SetF,SetAP,NumRet,NumRel,NumRelRet,NumQ"
    measures = parse_measures(names)
    assert {measure.kind for measure in measures} == set(get_args(Kind))
    definitions = [measure.definition for measure in measures]
    assert len(set(definitions)) == len(measures)
    assert all(
        (text.endswith(".") and text[0].isupper()) or text[0] in "1(" for text in definitions
    )
    assert "5: 2" in parse_measure("nDCG(gain={5:2})").definition
    assert "without a judgement are taken out" in parse_measure("P(judged_only=True)@5").definition


def test_commas_inside_parameters_part_no_measures():
    text = 'nDCG(gain={1:1,2:5},judged_only=True)@3, AP(rel=2,norm="min_k")@9'
    assert [str(m) for m in parse_measures(text)] == [
        "nDCG(gain={1:1,2:5},judged_only=True)@3",
        'AP(rel=2,norm="min_k")@9',
    ]

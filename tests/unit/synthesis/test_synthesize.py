"""Queries from a scripted server: what is asked, what is kept, and what each pair tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.datasets import Corpus
from embedsmith.exceptions import (
    BudgetError,
    DataError,
    OfflineError,
    OutputError,
    ServiceError,
)
from embedsmith.hygiene import TrainingData, check_data
from embedsmith.synthesis import estimate_synthesis
from tests.loopback import body, hang, hang_up, html, status, torn
from tests.unit.synthesis.conftest import CORPUS, HONEST, answer, honest, passage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embedsmith._typing import Json
    from tests.loopback import Loopback

    Synthesize = Callable[..., Any]


def filters(made: Any) -> dict[str, Json]:
    return {one["filter"]: one for one in made.report["filters"]}


def test_honest_queries_are_kept_with_all_that_tells_where_they_are_from(
    synthesize: Synthesize, server: Loopback
) -> None:
    made = synthesize(encoder="bm25")
    queries = [query for pair in HONEST.values() for query in pair]
    kept = [pair.query for pair in made.pairs]
    assert set(kept) <= set(queries)
    assert len(kept) >= len(CORPUS)
    for pair in made.pairs:
        assert pair.positive in CORPUS.values()
        assert [one["filter"] for one in pair.filters] == [
            "format", "language", "copied", "near-duplicate", "round trip", "quota",
            "personal data",
        ]  # fmt: skip
        assert all(one["kept"] for one in pair.filters)
        assert len(pair.prompt_hash) == len(pair.passage_hash) == 64
        assert pair.generator == "openai:m"
    assert made.report["not_run"] == {"judge": "not asked for"}
    assert len(server.asked) == len(CORPUS)


def test_the_request_holds_a_schema_and_the_passage_between_marks(
    synthesize: Synthesize, server: Loopback
) -> None:
    synthesize(seed=3)
    first = server.asked[0].body
    schema = first["response_format"]["json_schema"]["schema"]
    kinds = schema["properties"]["queries"]["items"]["properties"]["kind"]["enum"]
    assert kinds == ["question", "keyword"]
    assert {passage_of(one.body) for one in server.asked} == set(CORPUS.values())
    marks = {one.body["messages"][1]["content"].split("<passage ")[1][:16] for one in server.asked}
    assert len(marks) == len(CORPUS)
    assert first["messages"][0]["role"] == "system"
    assert "never an instruction" in first["messages"][0]["content"]


def test_the_result_does_not_depend_on_requests_at_once(
    synthesize: Synthesize, server: Loopback
) -> None:
    server.delay_s = 0.02
    alone = synthesize(in_flight=1)
    together = synthesize(in_flight=5)
    assert server.most_in_flight > 1
    assert alone.pairs == together.pairs
    assert alone.rejected == together.rejected


def test_passages_are_drawn_by_the_seed(synthesize: Synthesize, server: Loopback) -> None:
    synthesize(passages=2, seed=1)
    drawn = [passage_of(one.body) for one in server.asked]
    synthesize(passages=2, seed=1)
    assert [passage_of(one.body) for one in server.asked[2:]] == drawn or len(set(drawn)) == 2
    assert {passage_of(one.body) for one in server.asked} == set(drawn)


def test_what_is_written_opens_as_data_of_every_kind(
    synthesize: Synthesize, tmp_path: Path
) -> None:
    made = synthesize(Corpus(tuple(CORPUS), tuple(CORPUS.values())))
    folder = made.write(tmp_path / "s")
    data = es.load_dataset(folder, split="train")
    assert data.n_synthetic == len(data.queries) == len(made.pairs)
    assert data.hash == made.dataset().hash
    assert data.qrels[made.pairs[0].query_id] == {made.pairs[0].passage_id: 1}
    assert data.queries.metadata["kind"][0] == made.pairs[0].kind
    lines = es.load_dataset(folder / "pairs.jsonl")
    assert lines.n_synthetic == len(made.pairs)
    assert set(lines.queries.ids) == set(data.queries.ids)
    assert check_data(TrainingData.of(folder / "pairs.jsonl", "train")).passed
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["synthetic"] is True
    assert manifest["generator"]["prompt_sha256"]
    mined = es.mine_hard_negatives(
        str(folder / "pairs.jsonl"),
        es.load_encoder("fake:16", cache=False),
        anchor_column_name="query",
        positive_column_name="positive",
        num_negatives=1,
        relative_margin=None,
    )
    assert mined.report["counts"]["queries"] == len(made.pairs)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "empty answer"),
        ("Here are your queries: none.", "no JSON"),
        ('{"queries": [{"kind": "question", "que', "no JSON"),
        ('["a", "b"]', "not of the schema: no object"),
        ('{"answers": []}', "no list 'queries'"),
        ('{"queries": [], "note": "x"}', "or more beside it"),
        ('{"queries": ["what?"]}', "no object of kind and query"),
        ('{"queries": [{"kind": "poem", "query": "roses"}]}', "a kind that was not asked for"),
        ('{"queries": [{"kind": "question", "query": 5}]}', "no object of kind and query"),
        ('{"queries": []}', "no query in it"),
        ('Sure! {"queries": [{"kind": "question", "query": "who pays"}]}', "no JSON"),
        ("[" * 5000, "no JSON"),
    ],
)
def test_a_broken_answer_is_dropped_by_format_and_told(
    synthesize: Synthesize, server: Loopback, wrong: str, reason: str
) -> None:
    server.writer = lambda asked: wrong if "debit" in passage_of(asked) else honest(asked)
    made = synthesize()
    (dropped,) = (one for one in made.rejected if one["passage_id"] == "p1")
    assert dropped["filter"] == "format"
    assert reason in dropped["because"]
    assert made.pairs
    assert all("debit" not in pair.positive for pair in made.pairs)


def test_json_in_prose_or_fences_is_read_where_that_is_asked_for_by_name(
    synthesize: Synthesize, server: Loopback
) -> None:
    texts = iter(["Sure:\n{}\nDone.", "```json\n{}\n```", "{}", "Note {{}} {}", "{}"])
    server.writer = lambda asked: next(texts).replace("{}", honest(asked))
    made = synthesize(answer="json", in_flight=1)
    assert len(made.pairs) == 2 * len(CORPUS)
    assert "response_format" not in server.asked[0].body


def test_more_queries_than_asked_for_are_surplus(synthesize: Synthesize, server: Loopback) -> None:
    server.writer = lambda _: answer(
        "who pays here", "what is due then", kinds=("question", "question")
    )
    made = synthesize(list(CORPUS.values())[:1])
    assert filters(made)["format"]["because"] == {"more than asked for": 1}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Wer bezahlt mir eine neue Karte nach einem Diebstahl?", "language"),
        ("what if A debit card that was reported lost is replaced free", "copied"),
        ("Which card does this passage talk about?", "format"),
        ("who pays <b>cards</b>", "format"),
        ("see https://evil.example for cards", "format"),
        ("I cannot help with that request", "format"),
        ("WHO PAYS FOR THE NEW PLASTIC", "format"),
        ("who pays\nfor cards", "format"),
        ("how much " * 30, "format"),
        ("who mails anna.muster@bank.example about plastic", "personal data"),
        ("who owns DE89 3704 0044 0532 0130 00 then", "personal data"),
    ],
)
def test_each_filter_takes_its_own(
    synthesize: Synthesize, server: Loopback, query: str, name: str
) -> None:
    server.writer = lambda _: answer(query)
    made = synthesize(list(CORPUS.values())[:1])
    assert not made.pairs
    (dropped,) = made.rejected
    assert dropped["filter"] == name
    assert filters(made)[name]["dropped"] == 1
    assert "anna.muster@" not in json.dumps(made.rejected)


def test_near_duplicates_of_queries_and_of_examples_go(
    synthesize: Synthesize, server: Loopback, tmp_path: Path
) -> None:
    real = tmp_path / "real.txt"
    real.write_text("how long does a complaint take?\nmail bob.b@bank.example about it\n")
    server.writer = lambda asked: (
        answer("How long does a complaint take", "new plastic after theft")
        if "debit" in passage_of(asked)
        else answer("who signs big credits", "new plastic after the theft")
    )
    made = synthesize(list(CORPUS.values())[:2], style_queries=real, near_duplicate=0.7)
    because = {one["query"]: one["because"] for one in made.rejected}
    assert because["How long does a complaint take"] == "of an example"
    assert because["new plastic after the theft"] == "of an earlier query"
    assert made.report["style"]["left_out_for_personal_data"] == 1
    prompts = json.dumps([one.body for one in server.asked])
    assert "how long does a complaint take?" in prompts
    assert "bob.b@" not in prompts


def test_the_round_trip_wants_the_source_within_the_rank(
    synthesize: Synthesize, server: Loopback
) -> None:
    server.writer = lambda asked: (
        answer("which big credits need two signatures of managers")
        if "debit" in passage_of(asked)
        else honest(asked)
    )
    made = synthesize(encoder="bm25", rank=1)
    gone = {one["query"]: one["because"] for one in made.rejected}
    assert gone["which big credits need two signatures of managers"] == "source not within rank 1"
    ranks = [one["value"] for p in made.pairs for one in p.filters if one["filter"] == "round trip"]
    assert set(ranks) == {1}


def test_a_copy_of_the_source_is_as_good_as_the_source(synthesize: Synthesize) -> None:
    card = CORPUS["card"]
    made = synthesize([card, *([card] * 5), CORPUS["loan"]], encoder="bm25", rank=1)
    assert {pair.passage_id for pair in made.pairs} == {"p1", "p7"}
    assert made.report["passages"]["repeated"] == 5


def test_quotas_hold_for_passages_and_documents_and_are_spread(synthesize: Synthesize) -> None:
    made = synthesize(per_passage=1)
    assert len(made.pairs) == len(CORPUS)
    corpus = Corpus(("a#1", "a#2", "b#1", "b#2", "b#3"), tuple(CORPUS.values()))
    made = synthesize(corpus, collapse="#", per_document=2)
    assert sorted(pair.passage_id for pair in made.pairs) == ["a#1", "a#2", "b#1", "b#2"]


def test_the_judge_drops_what_it_calls_unanswered_or_obedient(
    synthesize: Synthesize, server: Loopback
) -> None:
    verdicts = iter(
        [
            '{"answered": true, "standalone": true, "obeys": false}',
            '{"answered": false, "standalone": true, "obeys": false}',
            '{"answered": true, "standalone": true, "obeys": true}',
            '{"answered": true, "standalone": false, "obeys": false}',
            "yes",
            '{"answered": "yes", "standalone": true, "obeys": false}',
        ]
    )
    good = '{"answered": true, "standalone": true, "obeys": false}'

    def write(asked: Json) -> str:
        judged = "<query " in asked["messages"][-1]["content"]
        return next(verdicts, good) if judged else honest(asked)

    server.writer = write
    made = synthesize(judge="same", in_flight=1)
    assert filters(made)["judge"]["because"] == {
        "the judge's answer is broken": 2,
        "not answered by the passage": 1,
        "obeys, or is no query": 1,
        "unclear without the passage": 1,
    }
    assert made.report["judge"]["spec"] == "openai:m"


def test_a_service_that_stumbles_is_asked_again(synthesize: Synthesize, server: Loopback) -> None:
    server.tricks.extend(
        [status(429, {"Retry-After": "0"}), status(500), hang_up(), torn(), hang(1.5)]
    )
    made = synthesize(in_flight=1, timeout_s=0.7, attempts=8)
    assert len(made.pairs) == 2 * len(CORPUS)
    assert len(server.asked) == len(CORPUS) + 5
    # What was torn off or not answered may be billed, and is counted apart.
    assert made.report["usage"]["models"][0]["n_tokens_uncertain"] > 0


def test_retry_after_is_waited_for(
    synthesize: Synthesize, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    server.tricks.append(status(429, {"Retry-After": "1"}))
    made = synthesize(list(CORPUS.values())[:1])
    assert "sent in 1.0 s" in caplog.text
    assert made.report["usage"]["models"][0]["waited_s"] > 0.9


@pytest.mark.parametrize(
    ("trick", "words"),
    [(status(401), "key"), (html(), "web page"), (body(b"{}"), "no 'choices'")],
)
def test_a_service_that_cannot_answer_ends_the_run(
    synthesize: Synthesize, server: Loopback, trick: Any, words: str
) -> None:
    server.always = trick
    with pytest.raises(ServiceError, match=words):
        synthesize()


def test_a_server_without_schemas_is_told_how_to_be_asked(
    synthesize: Synthesize, server: Loopback
) -> None:
    server.always = status(400, message="response_format is not supported")
    with pytest.raises(ServiceError, match="--answer json"):
        synthesize()


def test_a_passage_that_is_refused_alone_is_counted(
    synthesize: Synthesize, server: Loopback
) -> None:
    server.tricks.append(status(400, message="content filter"))
    made = synthesize(in_flight=1)
    assert made.report["requests"]["refused"] == 1
    assert "content filter" in made.report["requests"]["refused_because"][0]
    assert filters(made)["format"]["because"]["answer: refused by the service"] == 1


def test_offline_refuses_before_anything_is_sent(synthesize: Synthesize, server: Loopback) -> None:
    with pytest.raises(OfflineError):
        synthesize(offline=True)
    assert not server.asked


def test_the_limit_of_cost_holds_over_all_runs_of_a_journal(
    synthesize: Synthesize, server: Loopback, prices: Path, tmp_path: Path
) -> None:
    options = {"prices": prices, "journal": tmp_path / "j.jsonl", "in_flight": 1}
    corpus = list(CORPUS.values())
    estimate = estimate_synthesis(
        corpus, "openai:m", kinds=["question", "keyword"], seed=3, base_url=server.url,
        api=es.ApiOptions(prices=prices),
    )  # fmt: skip
    assert estimate.n_requests == 5
    assert estimate.cost is not None
    assert not server.asked
    made = synthesize(max_cost=estimate.cost, **options)
    spent = made.report["usage"]["spent_usd"]
    assert 0 < float(spent) < float(estimate.cost)
    # All is in the journal: nothing is asked, and nothing more is spent.
    again = synthesize(max_cost=spent, **options)
    assert len(server.asked) == 5
    assert again.pairs == made.pairs
    with pytest.raises(BudgetError, match="max_cost"):
        synthesize(max_cost=spent, **{**options, "seed": 4})
    assert len(server.asked) == 5


def test_what_earlier_runs_spent_counts_towards_the_limit(
    synthesize: Synthesize, server: Loopback, prices: Path, tmp_path: Path
) -> None:
    options = {"prices": prices, "journal": tmp_path / "j.jsonl", "in_flight": 1}
    corpus = list(CORPUS.values())[:1]
    once = float(synthesize(corpus, **options).report["usage"]["spent_usd"])
    # Each run alone would fit, many times over.
    limit = 20 * once

    def go_on() -> None:
        for seed in range(4, 40):
            synthesize(corpus, max_cost=limit, **{**options, "seed": seed})

    with pytest.raises(BudgetError):
        go_on()
    assert 2 < len(server.asked) <= 20


def test_an_encoder_at_a_service_is_paid_from_the_same_limit(
    synthesize: Synthesize, server: Loopback, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with pytest.raises(BudgetError):
        synthesize(encoder="openai:m", prices=prices, max_cost=0.0001)
    with pytest.raises(es.exceptions.ModelError, match="max_cost needs a price"):
        synthesize(encoder="openai:unpriced", prices=prices, max_cost=100)
    assert not server.asked


def test_without_a_price_a_limit_is_refused(synthesize: Synthesize) -> None:
    with pytest.raises(es.exceptions.ModelError, match="usd_per_million_output_tokens"):
        synthesize(max_cost=1)


def test_style_pairs_become_examples_of_a_completion(
    synthesize: Synthesize, server: Loopback, tmp_path: Path
) -> None:
    real = tmp_path / "real.jsonl"
    real.write_text(json.dumps({"query": "who pays the doctor?", "positive": "The insurer pays."}))
    server.writer = lambda _: " who pays for new plastic\n\nPassage: more"
    made = synthesize(
        list(CORPUS.values())[:1], prompt="completion", style_queries=real, kinds=["question"]
    )
    sent = server.asked[0]
    assert sent.path.endswith("/v1/completions")
    assert "The insurer pays." in sent.body["prompt"]
    assert sent.body["prompt"].endswith("Question:")
    assert [pair.query for pair in made.pairs] == ["who pays for new plastic"]


def test_real_queries_without_passages_are_not_dropped_in_silence(
    synthesize: Synthesize, server: Loopback
) -> None:
    server.writer = lambda _: "who pays the doctor"
    said: list[str] = []
    made = synthesize(
        list(CORPUS.values())[:1],
        prompt="completion",
        style_queries=["who pays the doctor?"],
        kinds=["question"],
        note=said.append,
    )
    assert any("examples of the package instead" in one for one in said)
    assert [one["because"] for one in made.rejected] == ["of an example"]


def test_a_data_set_of_people_is_never_written_over(synthesize: Synthesize, tmp_path: Path) -> None:
    made = synthesize()
    made.write(tmp_path / "s")
    made.write(tmp_path / "s")
    (tmp_path / "s" / "manifest.json").unlink()
    before = {file: file.read_bytes() for file in (tmp_path / "s").rglob("*") if file.is_file()}
    with pytest.raises(OutputError, match="would lose it"):
        made.write(tmp_path / "s", split="test")
    assert all(file.read_bytes() == content for file, content in before.items())


def test_nothing_is_hidden_where_nothing_is_left(
    synthesize: Synthesize, server: Loopback, tmp_path: Path
) -> None:
    server.writer = lambda _: ""
    made = synthesize()
    with pytest.raises(DataError, match="format 5"):
        made.write(tmp_path / "s")
    assert len((tmp_path / "s" / "rejected.jsonl").read_text().splitlines()) == len(CORPUS)
    assert not (tmp_path / "s" / "pairs.jsonl").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="Choose another place"):
        made.write(tmp_path / "file" / "s")


def test_wrong_arguments_say_what_is_right(synthesize: Synthesize) -> None:
    with pytest.raises(DataError, match="Did you mean 'question'"):
        synthesize(kinds=["questions"])
    with pytest.raises(DataError, match="json_schema"):
        synthesize(answer="yaml")
    with pytest.raises(DataError, match="is for a chat"):
        synthesize(prompt="completion", answer="json")
    with pytest.raises(DataError, match="no passage is left"):
        synthesize(["too short"])


def test_keywords_need_no_service_and_are_seeded() -> None:
    made = es.synthesize_queries("sample:bank", "keywords", encoder="bm25", passages=10, seed=5)
    again = es.synthesize_queries("sample:bank", "keywords", encoder="bm25", passages=10, seed=5)
    other = es.synthesize_queries("sample:bank", "keywords", encoder="bm25", passages=10, seed=6)
    assert made.pairs == again.pairs != other.pairs
    assert set(made.report["not_run"]) == {"language", "copied", "judge"}
    for pair in made.pairs:
        if pair.kind == "span":
            assert pair.query in " ".join(pair.positive.split())
        else:
            assert set(pair.query.split()) <= set(
                pair.positive.lower().replace("-", " ").split()
            ) | {word.strip(".,;:()") for word in pair.positive.lower().replace("-", " ").split()}

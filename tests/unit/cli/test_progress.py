import io

from rich.console import Console

from embedsmith.cli._progress import BarProgress, LineProgress


def test_lines_tell_how_far_and_how_long(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = LineProgress()
    progress.begin("m", "embedding documents", 1000)
    # Half a minute of loading and 500 texts of the cache tell nothing about the rest.
    now[0] += 30
    progress.advance(500)
    for _ in range(3):
        now[0] += 6
        progress.advance(100)
    progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "m: embedding documents, 1,000",
        "m: embedding documents, 600 of 1,000, about 0:24 left",
        "m: embedding documents, 800 of 1,000, about 0:12 left",
    ]


def test_the_bar_shows_the_stage_and_leaves_the_notes():
    out = io.StringIO()
    progress = BarProgress(Console(file=out, force_terminal=True, width=100))
    progress.begin("m", "embedding documents", 10)
    progress.advance(10)
    progress.end()
    progress.note("m: embedded 10 texts [and] more")
    assert "m: embedding documents" in out.getvalue()
    assert "m: embedded 10 texts [and] more\n" in out.getvalue()


def test_lines_count_tokens_where_they_are_known_and_estimate_the_time_by_them(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = LineProgress()
    progress.begin("m", "embedding documents", 1000)
    for texts, done, left in ((100, 1_000, 9_000), (100, 6_000, 4_000)):
        now[0] += 20
        progress.tokens(done, left)
        progress.advance(texts)
    # By texts it would be 2:40: the longest came first.
    assert capsys.readouterr().err.splitlines()[1:] == [
        "m: embedding documents, 200 of 1,000, 6,000 tokens, about 4,000 left, about 0:16 left",
    ]


def test_the_bar_moves_by_tokens_and_names_the_texts():
    out = io.StringIO()
    progress = BarProgress(Console(file=out, force_terminal=True, width=140))
    progress.begin("m", "embedding documents", 10)
    progress.tokens(600, 400)
    progress.advance(3)
    progress.end()
    assert "m: embedding documents, 3 of 10 texts, tokens" in out.getvalue()
    assert "600/1000" in out.getvalue()

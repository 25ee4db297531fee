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

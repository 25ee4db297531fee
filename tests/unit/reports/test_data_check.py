import dataclasses
import json

import embedsmith as es
from embedsmith.reports._data_check import data_check_markdown, data_check_text


def test_what_was_not_checked_has_a_heading_only_if_there_is_something(tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps({"query": "who audits?", "positive": "an auditor does"}) + "\n")
    check = es.check_data(file)
    whole = dataclasses.replace(check, not_checked=())
    for write in (data_check_text, data_check_markdown):
        assert "Not checked" in write(check)
        assert "Not checked" not in write(whole)

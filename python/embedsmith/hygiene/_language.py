"""In which language a text is written, where its letters do not tell."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.exceptions import DataError
from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._single_texts import example_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.hygiene._stages import Stages

__all__ = ["Languages"]

# Together they leave the undecided alone: headings, names, two words. Of 13,012 English passages of
# real regulations one is taken for another language.
_SURE = 0.5
_MOST_OF_WANTED = 0.01
_NO_LANGUAGE = "zxx"
_EVERY = 1000


class Languages:
    """The languages that texts may be in.

    Parameters
    ----------
    wanted : sequence of str
        ISO 639-1 codes, such as ``"en"``.

    Raises
    ------
    DataError
        If a code is unknown.
    MissingDependencyError
        If py3langid is not installed.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        library: Any = require("py3langid.langid", extra="lang", feature="Telling languages apart")
        self._identifier = library.LanguageIdentifier.from_model_file(
            library.MODEL_FILE, norm_probs=True
        )
        known = sorted(self._identifier.labels)
        if isinstance(wanted, str) or not wanted:
            msg = f"languages is {wanted!r}; pass a list of codes, such as ['en', 'de']."
            raise DataError(msg)
        for code in wanted:
            if code not in known:
                near = difflib.get_close_matches(str(code).lower()[:2], known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
                msg = f"the language {code!r} is not known by its ISO 639-1 code. {hint}"
                raise DataError(msg)
        self.wanted = tuple(dict.fromkeys(wanted))

    def findings(
        self, role: str, ids: Sequence[str], texts: Sequence[str], stages: Stages
    ) -> Iterator[Finding]:
        """Yield the texts that are surely in none of the languages.

        Short texts are often undecided, and then not named.
        """
        said = " or ".join(self.wanted)
        with stages.stage(f"languages, {role}", len(texts)) as done:
            for place, (own, text) in enumerate(zip(ids, texts, strict=True)):
                if place % _EVERY == 0:
                    done(place)
                ranks: list[tuple[str, float]] = self._identifier.rank(text)
                best, share = ranks[0]
                right = sum(one for code, one in ranks if code in self.wanted)
                if share >= _SURE and right < _MOST_OF_WANTED and best != _NO_LANGUAGE:
                    detail = f"probably {best} ({share:.0%}), not {said}"
                    yield Finding(
                        f"other language, {role}",
                        (own,),
                        detail,
                        example_of(text),
                        "drop or translate",
                    )

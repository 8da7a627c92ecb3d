"""The states of an update: what is taken, what is refused, what goes back, and what stays."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from edge.contract.bundle import Bundle
from edge.errors import BundleError, UpdateError
from edge.updater import Phase, StoppedError, Update, Updater, Verdict
from tests.updater.houses import STRANGER, Site, bad, good


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, tmp_path / "models")


def latest(site: Site) -> Update:
    update = site.updater().record.update
    assert update is not None
    return update


def test_without_an_update_the_shipped_model_counts(site: Site) -> None:
    """Nothing is made for that, and nothing is before it."""
    site.updater().settle(bad)

    assert "shipped 1" == site.in_service()
    assert site.updater().before() is None
    with pytest.raises(UpdateError, match="no model before"):
        site.updater().roll_back()


def test_a_good_model_comes_into_service(site: Site) -> None:
    """Staged it waits; tried against the one in service it stays, and its counter is remembered."""
    staged = site.updater().receive(io.BytesIO(site.packed(7)))
    assert (Phase.STAGED, "shipped 1") == (staged.phase, site.in_service())
    seen = []

    def test(candidate: Bundle, before: Bundle) -> Verdict:
        seen.append((candidate.manifest.counter, before.manifest.name, site.in_service()))
        return Verdict(good=True)

    site.updater().settle(test)
    site.updater().settle(test)

    assert [(7, "shipped", "shipped 1")] == seen
    assert "door 7" == site.in_service()
    assert Phase.COMMITTED == latest(site).phase
    assert 7 == site.updater().record.floor("door")


def test_a_bad_model_goes_back_by_itself(site: Site) -> None:
    """The one before is in service again, the reason is told, and its counter is not remembered."""
    site.update(7)
    site.update(8, bad)

    assert "door 7" == site.in_service()
    assert (Phase.BACK, "it counts worse") == (latest(site).phase, latest(site).reason)
    assert 7 == site.updater().record.floor("door")
    site.update(8)
    assert "door 8" == site.in_service()


def test_its_owner_can_go_back_and_forth(site: Site) -> None:
    """Each rollback puts the other one in service; nothing needs to be signed for it."""
    seen = []
    for counter in (7, 8):
        site.update(counter)
        for _ in range(3):
            site.updater().roll_back()
            seen.append(site.in_service())

    assert ["shipped 1", "door 7", "shipped 1"] == seen[:3]
    assert ["shipped 1", "door 8", "shipped 1"] == seen[3:]


def test_an_older_bundle_is_refused(site: Site) -> None:
    """Lower or the same counter, also after a rollback, also of a file that was taken before."""
    old = site.packed(7)
    site.updater().receive(io.BytesIO(old))
    site.updater().settle(good)
    site.update(8)
    for packed in (old, site.packed(8, size=999)):
        with pytest.raises(UpdateError, match="this device has had 8"):
            site.updater().receive(io.BytesIO(packed))
    site.updater().roll_back()
    with pytest.raises(UpdateError, match="this device has had 8"):
        site.updater().receive(io.BytesIO(site.packed(6)))

    assert (Phase.REFUSED, 6) == (latest(site).phase, latest(site).counter)
    assert "door 7" == site.in_service()


def test_a_signed_leave_to_go_back_is_for_this_state_alone(site: Site) -> None:
    """It works where the device stands, and no longer once the device has gone on."""
    site.update(7)
    site.update(8)
    packed = site.packed(5, permit=8)
    site.updater().receive(io.BytesIO(packed))
    site.updater().settle(good)
    assert "door 5" == site.in_service()
    site.update(9)
    with pytest.raises(UpdateError, match="this device has had 9"):
        site.updater().receive(io.BytesIO(packed))


def test_the_same_bundle_twice_is_done_already(site: Site) -> None:
    """It is not tried again and nothing changes; the one before stays the one before."""
    site.update(7)
    site.update(8)
    packed = site.packed(8)
    again = site.updater().receive(io.BytesIO(packed))
    before = site.updater().before()

    assert Phase.COMMITTED == again.phase
    assert before is not None
    assert 7 == before.manifest.counter


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"key": None}, "is not signed"),
        ({"key": STRANGER}, "is signed by no trusted key"),
        ({"devices": ("MYRIAD",)}, "is for MYRIAD, and this device is CPU"),
        ({"size": 1_000_001}, r"update\.max_mb"),
    ],
    ids=["unsigned", "stranger", "device", "large"],
)
def test_what_is_not_for_this_device_is_refused(
    site: Site, made: dict[str, object], words: str
) -> None:
    """The reason is told, and nothing of it is left."""
    with pytest.raises((BundleError, UpdateError), match=words):
        site.updater().receive(io.BytesIO(site.packed(7, **made)))

    assert "shipped 1" == site.in_service()
    assert [] == list((site.models / "store").iterdir())
    assert not list(site.models.glob("incoming-*"))


def test_one_update_at_a_time(site: Site) -> None:
    """While one waits for its trial, or another process is at work, a second is refused."""
    site.updater().receive(io.BytesIO(site.packed(7)))
    with pytest.raises(UpdateError, match="waits for its trial"):
        site.updater().receive(io.BytesIO(site.packed(8)))

    def test(_candidate: Bundle, _before: Bundle) -> Verdict:
        for act in (
            lambda: site.updater().receive(io.BytesIO(site.packed(8))),
            site.updater().roll_back,
        ):
            with pytest.raises(UpdateError, match="another update is at work"):
                act()
        site.updater().settle(bad)
        return Verdict(good=True)

    site.updater().settle(test)

    assert "door 7" == site.in_service()


class PowerCutError(BaseException):
    """Stands for the end of the process."""


def cut(_candidate: Bundle, _before: Bundle) -> Verdict:
    raise PowerCutError


def test_a_trial_that_is_cut_off_is_begun_anew_once(site: Site) -> None:
    """Until then the one before counts; a second cut gives it up."""
    site.update(7)
    site.updater().receive(io.BytesIO(site.packed(8)))
    for _ in range(2):
        with pytest.raises(PowerCutError):
            site.updater().settle(cut)
        assert "door 7" == site.in_service()
    site.updater().settle(good)

    assert "door 7" == site.in_service()
    assert (Phase.BACK, "its trial was cut off twice") == (latest(site).phase, latest(site).reason)


def test_a_trial_that_is_stopped_does_not_count(site: Site) -> None:
    """The service ends meanwhile, as often as it likes; the next start tries it."""

    def stopped(_candidate: Bundle, _before: Bundle) -> Verdict:
        raise StoppedError

    site.updater().receive(io.BytesIO(site.packed(7)))
    for _ in range(4):
        site.updater().settle(stopped)
        assert "shipped 1" == site.in_service()
    site.updater().settle(good)

    assert "door 7" == site.in_service()


def crash(updater: Updater) -> None:
    """A run of the service that ends badly."""
    updater.settle(bad)
    updater.begin(updater.in_service())


def test_a_young_model_that_ends_the_service_goes_back(site: Site) -> None:
    """After two bad ends; orderly ends between them do not matter."""
    site.update(7)
    site.update(8)
    crash(site.updater())
    crash(site.updater())
    assert "door 8" == site.in_service()
    site.updater().settle(bad)

    assert "door 7" == site.in_service()
    assert "ended badly 2 times" in latest(site).reason
    with pytest.raises(UpdateError):
        site.updater().receive(io.BytesIO(site.packed(8, size=2)))


def test_a_model_that_has_proved_itself_stays(site: Site) -> None:
    """Whatever ends the service later, it is not the model's fault; nor is an orderly end."""
    site.update(7)
    for _ in range(4):
        crash(site.updater())
        site.updater().end()
    site.updater().prove()
    for _ in range(4):
        crash(site.updater())

    assert "door 7" == site.in_service()


def test_a_model_that_rots_is_replaced_by_the_one_before(site: Site) -> None:
    """A flipped bit in the one in service; then in the one before, too: the shipped one counts."""
    site.update(7)
    site.update(8)
    for counter, expected in ((8, "door 7"), (7, "shipped 1")):
        (xml,) = site.models.glob(f"store/door-{counter}-*/model.xml")
        xml.write_bytes(xml.read_bytes()[:-1] + b"!")
        assert expected == site.in_service()


def test_a_key_that_is_withdrawn_takes_its_models_along(site: Site) -> None:
    """Without it the shipped model counts."""
    site.update(7)
    (site.keys / "owner.pub").unlink()

    assert "shipped 1" == site.in_service()


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b'{"floors": 3}'])
def test_a_state_that_cannot_be_read(site: Site, content: bytes) -> None:
    """The model in service stays, and updates go on."""
    site.update(7)
    (site.models / "state.json").write_bytes(content)
    assert "door 7" == site.in_service()
    site.update(8)

    assert "door 8" == site.in_service()


def test_what_is_not_needed_any_more_is_swept(site: Site) -> None:
    """The one in service and the one before stay, and nothing else."""
    for counter in (7, 8, 9):
        site.update(counter)
    site.update(10, bad)
    (site.models / "incoming-left").mkdir()
    site.updater().settle(good)
    names = sorted(path.name.rpartition("-")[0] for path in (site.models / "store").iterdir())

    assert ["door-8", "door-9"] == names
    assert not list(site.models.glob("incoming-*"))


def test_a_shelf_that_somebody_emptied(site: Site) -> None:
    """A link that leads nowhere: the shipped model counts, and the next update comes in."""
    site.update(7)
    shutil.rmtree(site.models / "store")
    assert "shipped 1" == site.in_service()
    site.update(8)

    assert "door 8" == site.in_service()

"""The composition of `adapt`: a detector fitted in minutes to one door, and what that did.

A few pictures of a site teach a detector the site's floor, light and clutter; mixed with other
pictures and blended with the old weights, it forgets nothing for it. In order: fit, choose how far
to go (`blending`), choose the score (`threshold`), write the bundle.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.contract.bundle import Manifest, read_bundle
from edge.errors import CallError, DataError
from edge.scene.pictures import render_training_picture
from training.auditing import Recording, audit_all, errors_by_score
from training.blending import Blended, choose_blend
from training.bundle import Label, make_bundle
from training.checkpoint import Trained, restore
from training.config import PHOTOS, Recipe, Source
from training.data.cache import SHRUNK, Picture, load_pictures, rendered_pool
from training.data.heads import read_heads
from training.data.sampler import Pool, load_pools
from training.evaluate import Seen, quick, torch_detector
from training.export import export
from training.fitting import train
from training.gallery import grid, jpeg, look
from training.materials import Materials
from training.models.ssd import SSD
from training.threshold import SCORES, middle_of_best, nearest_of_good
from training.threshold import errors_by_score as errors_on_pictures

FEWEST = 4  # pictures of a site
HELD = 4  # every so many-th picture of a site is not learned from
BATCH = 16  # pictures of a step; `Wanted.steps` counts on it

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person may say of it."""

    share: float = 0.35  # of the site in a batch
    steps: int = 120  # of 16 pictures: two to three minutes on one core
    name: str = ""  # of the bundle; the old one's with "-site" by default
    recordings: Sequence[Recording] = ()  # with truth, by which the score is chosen
    rendered: int = 300  # pictures of a rendered source, where a whole training takes thousands
    shown: int = 100  # pictures at most by which it is judged what was forgotten

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise CallError(f"--steps {self.steps}: must be at least 1")


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of it."""

    before: Blended
    after: Blended
    score_before: float
    score: float
    audits: dict[str, tuple[dict[str, Any], dict[str, Any]]]  # before and after, by recording
    learnt: int  # pictures of the site
    held: int
    general: str  # by which pictures it was judged what was forgotten

    def to_json(self) -> dict[str, Any]:
        """For the bundle's manifest, and for adapt.json."""
        return {
            "share_of_new_weights": self.after.share,
            "site_ap50": [self.before.site, self.after.site],
            "general_ap50": [self.before.general, self.after.general],
            "general": self.general,
            "score": [self.score_before, self.score],
            "pictures": {"learnt": self.learnt, "held": self.held},
            "audits": {
                name: [{k: each[k] for k in ("tp", "fn", "fp")} for each in both]
                for name, both in self.audits.items()
            },
        }

    def lines(self) -> list[str]:
        """For a person."""
        rows = [
            f"AP50 at the site ({self.held} pictures that were not learned from): "
            f"{self.before.site:.3f} -> {self.after.site:.3f}",
            f"AP50 elsewhere ({self.general}): "
            f"{self.before.general:.3f} -> {self.after.general:.3f}",
            f"score of a new person: {self.score_before:g} -> {self.score:g}",
        ]
        if self.after.share == 0:
            rows.append("nothing better was found: the weights are the old ones")
        for name, (old, new) in self.audits.items():
            rows.append(f"{name}, which chose the score: {_counted(old)} -> {_counted(new)}")
        return rows


def adapt(
    bundle: Path,
    site: Path,
    out: Path,
    *,
    wanted: Wanted,
    data: Path,
    cache: Path,
    now: datetime,
    say: Say = print,
) -> Adapted:
    """Fit a bundle to a site's labelled pictures; writes `out`/bundle and what tells of it.

    Args:
        bundle: the folder of one of ours; nothing in it is changed.
        site: pictures with heads.csv, some of them best of the empty door.
        out: gets `bundle`, `adapt.json`, `before.jpg` and `after.jpg`, and the run's folder `run`.
        wanted: what a person may say.
        data: where the pictures of the bundle's recipe are, as far as they are at hand.
        cache: for rendered pictures.
        now: the date of the new bundle.
        say: gets a line for a person now and then.

    Raises:
        DataError: too few pictures, or one that is wrong.
        BundleError: there is no bundle of ours.
        WorldError: an audit cannot be done.
    """
    manifest, old = read_bundle(bundle).manifest, restore(bundle)
    learnt, held = _split(load_pictures(read_heads(site)), site)
    general, named = _general(old.recipe, data, cache, wanted.shown)
    recipe = _recipe(old.recipe, data, wanted)
    say(f"{len(learnt)} pictures of the site to learn from, {len(held)} to judge by")
    pools = load_pools(recipe, data, cache, render_training_picture)
    own = Source("site", "csv", wanted.share, path=str(site.absolute()))
    recipe = dataclasses.replace(recipe, source=(*recipe.source, own))
    new = _fitted(bundle, recipe, Materials([*pools, Pool(own, learnt)], held), out / "run")
    before, after = choose_blend(old.net, new, _ap50(general), _ap50(held))
    say(f"{100 * after.share:.0f} % of the new weights are taken")
    draft = _write(out / "bundle", after.net, old, _label(manifest, wanted, manifest.score), now)
    score = _score(draft, after.net, held, wanted.recordings, manifest.score)
    audits = _audits(bundle, draft, manifest.score, score, wanted.recordings, now)
    adapted = Adapted(before, after, manifest.score, score, audits, len(learnt), len(held), named)
    label = _label(manifest, wanted, score, adapted.to_json())
    _write(out / "bundle", after.net, old, label, now)
    _show(out, held, before.net, after.net, manifest.score, score)
    return adapted


def _split(pictures: Sequence[Picture], site: Path) -> tuple[list[Picture], list[Picture]]:
    """Those to learn from, those to judge by: spread evenly, so that both see the same light."""
    if len(pictures) < FEWEST or not any((~p.ignore).any() for p in pictures):
        raise DataError(
            f"{site}: {len(pictures)} pictures, which must be {FEWEST} at least and show heads; "
            "label 10 to 20, or let `headcount-train data autolabel VIDEO` do it"
        )
    held = [p for k, p in enumerate(pictures) if k % HELD == HELD // 2]
    return [p for k, p in enumerate(pictures) if k % HELD != HELD // 2], held


def _general(recipe: Recipe, data: Path, cache: Path, shown: int) -> tuple[list[Picture], str]:
    """Pictures of anywhere, by which it is judged what was forgotten, and their name."""
    validation = recipe.validation
    if (data / validation.path).is_dir():
        samples = read_heads(data / validation.path, validation.split)
        pictures = load_pictures(samples, cache=cache / SHRUNK)
        pictures = pictures[:: max(1, -(-len(pictures) // shown))]
        return pictures, f"{len(pictures)} of {validation.path}:{validation.split}"
    pool = rendered_pool(
        render_training_picture, count=shown, seed=90, size=(400, 300),
        file=cache / f"scene-{shown}-90-400x300.npz",
    )  # fmt: skip
    return list(pool), f"{shown} rendered pictures"


def _recipe(recipe: Recipe, data: Path, wanted: Wanted) -> Recipe:
    """The bundle's recipe, with what is at hand of its sources and a short, gentle fit."""
    sources = [
        dataclasses.replace(source, count=min(source.count, wanted.rendered))
        for source in recipe.source
        if source.kind not in PHOTOS or (data / source.path).is_dir()
    ]
    if not sources:
        sources = [Source("simulated", "scene", 1.0, count=wanted.rendered, seed=8, overhead=True)]
    rest = sum(source.share for source in sources)
    scaled = [
        dataclasses.replace(source, share=(1 - wanted.share) * source.share / rest)
        for source in sources
    ]
    fit = dataclasses.replace(
        recipe.fit, steps=wanted.steps, check_every=wanted.steps, warmup=max(1, wanted.steps // 6),
        lr_heads=5e-4, lr_backbone=1.5e-4, ema=0.98, patience=0, samples_every=0, half=False,
        # here, however large the machine was that made the bundle
        device="cpu", workers=0, batch=BATCH,
    )  # fmt: skip
    return dataclasses.replace(recipe, source=tuple(scaled), fit=fit)


def _fitted(bundle: Path, recipe: Recipe, materials: Materials, out: Path) -> SSD:
    """The averaged network after a short fit on the site and the rest, begun anew each time.

    What lies in `out` may be of other pictures: its owner may have struck some out since.
    """
    shutil.rmtree(out, ignore_errors=True)
    trained = restore(bundle)
    return train(trained.net, recipe, materials, plan=trained.plan, out=out).ema


def _ap50(pictures: Sequence[Picture]) -> Callable[[SSD], float]:
    return lambda net: quick(torch_detector(net), pictures)["ap50"]


def _score(
    draft: Path, net: SSD, held: Sequence[Picture], recordings: Sequence[Recording], before: float
) -> float:
    """By the counts where there is a truth, else as near to the old one as the pictures allow."""
    if recordings:
        return middle_of_best(errors_by_score(draft, recordings, SCORES))
    errors = errors_on_pictures(Seen.by(torch_detector(net), held).judged())
    return nearest_of_good(errors, before)


def _audits(
    old: Path, new: Path, before: float, after: float,
    recordings: Sequence[Recording], now: datetime,
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:  # fmt: skip
    if not recordings:
        return {}
    was, now_ = (
        audit_all(path, recordings, score=score, precision="f32", created=now)
        for path, score in ((old, before), (new, after))
    )
    return {name: (was[name], now_[name]) for name in was}


def _label(
    manifest: Manifest, wanted: Wanted, score: float, told: dict[str, Any] | None = None
) -> Label:
    """What is said of the new bundle: the old one's words, and the site's."""
    return Label(
        name=wanted.name or f"{manifest.name}-site",
        version=manifest.version,
        counter=manifest.counter + 1,
        score=score,
        nms=manifest.nms,
        licences=tuple(dict.fromkeys((*manifest.licences, "pictures of the site: its owner's"))),
        metrics={**manifest.metrics, "adapt": told or {}},
        plan=manifest.plan,
    )


def _write(out: Path, net: SSD, old: Trained, label: Label, now: datetime) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return make_bundle(export(net), old.recipe, label, created=now, out=out).folder


def _show(
    out: Path, held: Sequence[Picture], old: SSD, new: SSD, before: float, after: float
) -> None:
    """Draw what each finds at the site."""
    for name, net, score in (("before", old, before), ("after", new, after)):
        detect = torch_detector(net)
        found = [look(detect(picture.image), picture, score) for picture in held[:12]]
        (out / f"{name}.jpg").write_bytes(jpeg(grid(found)))


def _counted(result: dict[str, Any]) -> str:
    return f"{result['tp']} of {result['tp'] + result['fn']}, {result['fp']} false"

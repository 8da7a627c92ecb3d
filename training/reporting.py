"""A run's report: one HTML page that needs no other file.

Made of what lies in the run's folder (`best.pt`, `metrics.jsonl`, `data.json`, `pruning.json`) and
of the validation pictures, so that it can be written again at any time.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.contract.bundle import write_file
from edge.errors import DataError
from training import charts
from training.account import Account, read_account, section
from training.checkpoint import restore
from training.config import Recipe
from training.data.cache import Picture
from training.evaluate import WORKING, Score, Seen, score_seen, torch_detector
from training.gallery import Finding, draw, jpeg, look
from training.keeper import BEST, LAST
from training.matching import recall_precision
from training.materials import COUNTS, load_validation
from training.runlog import METRICS, Figures, attempt, checkpoints, read_metrics

REPORT = "report.html"
_WORST = 8  # pictures of each kind
_TILE = (480, 360)  # pixels, at most


@dataclass(frozen=True, slots=True)
class Story:
    """All that a report tells."""

    recipe: Recipe
    lines: Sequence[Figures]
    counts: Mapping[str, Mapping[str, float]]
    score: Score
    seen: Seen
    findings: Sequence[Finding]
    pruning: Account | None = None


def write_report(out: Path, validation: Sequence[Picture]) -> Path:
    """Judge a run's best checkpoint and write `out`/report.html; returns its path.

    Raises:
        DataError: there is no run, or the report cannot be written.
    """
    trained = restore(_checkpoint(out))
    seen = Seen.by(torch_detector(trained.net), validation)
    pairs = zip(seen.found, validation, strict=True)
    story = Story(
        trained.recipe,
        read_metrics(out / METRICS),
        _counts(out / COUNTS),
        score_seen("validation", seen, WORKING),
        seen,
        [look(found, picture, WORKING) for found, picture in pairs],
        read_account(out),
    )
    path = out / REPORT
    attempt(path, lambda: write_file(path, page(out.name, story).encode()))
    return path


def validation_of(out: Path, data: Path) -> list[Picture]:
    """The validation pictures of a run.

    Raises:
        DataError: there is no run, or its pictures are missing.
    """
    return load_validation(restore(_checkpoint(out)).recipe, data)


def _checkpoint(out: Path) -> Path:
    for name in (BEST, LAST):
        if (out / name).exists():
            return out / name
    raise DataError(f"{out}: no run is here: neither {BEST} nor {LAST}")


def _counts(path: Path) -> dict[str, dict[str, float]]:
    """What the run wrote of its data; nothing, if it did not."""
    try:
        found: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; remove it") from error
    return found


def page(name: str, story: Story) -> str:
    """The whole page."""
    parts = [
        ("Result", _result(story.score) + _time(story)),
        *([("Pruning", section(story.pruning))] if story.pruning else ()),
        ("Training", _training(story.lines)),
        ("Precision and recall", _curve(story)),
        ("By head size", _sizes(story.score)),
        ("Worst misses", _gallery(story.findings, missed)),
        ("Worst false positives", _gallery(story.findings, mistaken)),
        ("Data", _rows(story.counts) if story.counts else "<p>The run did not write it down.</p>"),
        ("Checkpoints", _rows({f"{row['step']:g}": row for row in checkpoints(story.lines)})),
        ("Recipe", f"<pre>{html.escape(json.dumps(story.recipe.to_json(), indent=1))}</pre>"),
    ]
    body = "".join(f"<h2>{title}</h2>\n{text}\n" for title, text in parts)
    return _PAGE.replace("{title}", html.escape(name)).replace("{body}", body)


def missed(finding: Finding) -> float:
    """How bad a picture's misses are: their number, and of equal ones the larger heads."""
    sides = finding.missed[:, 2:] - finding.missed[:, :2]
    return len(finding.missed) + float((sides[:, 0] * sides[:, 1]).sum())


def mistaken(finding: Finding) -> float:
    """How bad a picture's false positives are: how sure the detector was of all of them."""
    return float(finding.false_scores.sum())


def _result(score: Score) -> str:
    told = {
        "AP50": f"{score.ap50:.3f} [{score.ap50_low:.2f}, {score.ap50_high:.2f}]",
        "AP50, heads of 16 px": f"{score.big_ap50:.3f}",
        "AP": f"{score.ap:.3f}",
        "AR (100)": f"{score.ar100:.3f}",
        f"recall at score {score.threshold:g}": f"{score.recall:.2f}",
        "false positives a picture": f"{score.false_per_picture:.2f}",
        "error of the number of heads": f"{score.count_mae:.2f} (bias {score.count_bias:+.2f})",
        "pictures, heads": f"{score.pictures}, {score.heads}",
    }
    rows = "".join(f"<tr><th>{key}</th><td>{value}</td></tr>" for key, value in told.items())
    return (
        "<p>The best checkpoint on the validation pictures, by which it was chosen: figures on "
        f"pictures of another door will be lower.</p><table>{rows}</table>"
    )


def _time(story: Story) -> str:
    seconds = max((line.get("seconds", 0.0) for line in story.lines), default=0.0)
    steps = max((line["step"] for line in story.lines), default=0)
    views = steps * story.recipe.fit.batch
    return f"<p>{steps:g} steps, {views:g} views, {seconds / 60:.1f} minutes of training.</p>"


def _training(log: Sequence[Figures]) -> str:
    losses = {
        "loss_conf": "classes", "loss_loc": "boxes", "loss_teacher": "teacher",
        "loss_attention": "attention",
    }  # fmt: skip
    aps = {"ap50": "all heads", "ap50_big": "heads of 16 px"}
    return "".join(
        charts.lines({name: _points(log, key) for key, name in names.items()}, x="step", y=axis)
        for names, axis in ((losses, "loss"), (aps, "AP50, validation"))
    )


def _points(log: Sequence[Figures], key: str) -> list[charts.Point]:
    return [(line["step"], line[key]) for line in log if key in line]


def _curve(story: Story) -> str:
    every = story.seen.judged()
    sure = [hit for j in every for hit in j.hit[j.scores >= story.score.threshold]]
    working = (story.score.recall, sum(sure) / max(len(sure), 1))
    recall, precision = recall_precision(every)
    points = list(zip(recall.tolist(), precision.tolist(), strict=True))
    chart = charts.lines({"": points}, x="recall", y="precision", most=1.0, mark=[working])
    return f"{chart}<p>The dot is the working score, {story.score.threshold:g}.</p>"


def _sizes(score: Score) -> str:
    groups = {
        f"{name} ({size.heads})": {"AP50": size.ap50, "recall": size.recall}
        for name, size in score.sizes.items()
    }
    chart = charts.bars(groups, x="head size, pixels at 300x300 (number of heads)")
    return f"{chart}<p>Recall is that at the working score.</p>"


def _gallery(findings: Sequence[Finding], badness: Callable[[Finding], float]) -> str:
    worst = sorted(findings, key=badness, reverse=True)[:_WORST]
    figures = [_figure(finding) for finding in worst if badness(finding) > 0]
    return "".join(figures) or "<p>None.</p>"


def _figure(finding: Finding) -> str:
    data = base64.b64encode(jpeg(draw(finding, _TILE))).decode()
    told = f"{finding.picture.name}: {len(finding.missed)} missed, {len(finding.false)} false"
    return (
        f'<figure><img alt="" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{html.escape(told)}</figcaption></figure>"
    )


def _rows(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table: a row for each name, a column for each key."""
    keys = list(dict.fromkeys(key for row in rows.values() for key in row if key != "step"))
    head = "".join(f"<th>{html.escape(key)}</th>" for key in ["", *keys])
    lines = [
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(f"<td>{row[key]:.4g}</td>" if key in row else "<td></td>" for key in keys)
        + "</tr>"
        for name, row in rows.items()
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid #ddd }
figure { display: inline-block; margin: .4em; max-width: 480px; vertical-align: top }
figcaption { font-size: 12px; overflow-wrap: anywhere }
img { max-width: 100% } pre { font-size: 12px }
</style>
<h1>{title}</h1>
<p>Boxes: <b style="color:#3cc83c">found</b>, <b style="color:#e63232">false</b>,
<b style="color:#1e78e6">missed</b>, <b style="color:#969696">need not be found</b>.</p>
{body}
</html>
"""

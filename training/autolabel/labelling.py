"""The composition of `data autolabel`: recordings in, a folder of labelled pictures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.errors import CallError, DataError
from training.autolabel.folder import counts, write_folder
from training.autolabel.labels import Labels, choose
from training.autolabel.looks import By, Eye, Teacher, open_eye
from training.autolabel.video import Video, open_video
from training.autolabel.ways import Verdict, by_picture, follow

Say = Callable[[str], None]


def autolabel(
    paths: Sequence[Path],
    out: Path,
    teacher: Teacher,
    *,
    told_by: str,
    by: By | None = None,
    count: int = 40,
    say: Say = print,
) -> dict[str, object]:
    """Label recordings and write the folder `out`.

    Args:
        paths: the recordings.
        out: must not be there yet.
        teacher: heads of a picture.
        told_by: the teacher's name, for the folder's story.
        by: "teacher" or "motion"; None finds out for each recording.
        count: pictures of each recording, at most.
        say: gets a line for a person now and then.

    Returns:
        What autolabel.json holds: counts, and for each recording how it was labelled.

    Raises:
        CallError: two recordings have the same name, or the folder is there.
        DataError: a recording cannot be read, or nobody moves in any of them.
    """
    videos = [open_video(path) for path in paths]
    clips = [video.clip for video in videos]
    if len(set(clips)) < len(clips):
        raise CallError(f"two recordings would be called alike: {', '.join(sorted(clips))}")
    labelled, stories = [], []
    for video in videos:
        eye = open_eye(video, teacher, by)
        if eye is None:
            say(f"{video.path}: nobody moves in it: left out")
            continue
        say(_eye_line(video, eye))
        labels, people = _label(video, eye, count)
        labelled.append((video, labels))
        stories.append(_story(video, eye, people))
    if not labelled:
        raise DataError(
            f"{', '.join(str(path) for path in paths)}: nobody moves, so that there is nothing to "
            "label; give a recording in which people pass"
        )
    story: dict[str, object] = {"teacher": told_by, "recordings": stories}
    shown = write_folder(out, labelled, story)
    figures = counts(shown)
    return {**figures, **story}


def _label(video: Video, eye: Eye, count: int) -> tuple[Labels, int]:
    """The labels of a recording, and how many people were believed."""
    pictures = [eye.look(frame) for frame in video.frames()]
    ways = follow(pictures, video.size[0] / video.size[1])
    people = sum(way.verdict() is Verdict.HEAD for way in ways)
    return choose(pictures, ways, by_picture(ways), count), people


def _eye_line(video: Video, eye: Eye) -> str:
    share = f"the teacher sees {100 * eye.seen_share:.0f} % of those who move"
    if eye.by == "teacher":
        return f"{video.path}: {share}: labelled by the teacher"
    return (
        f"{video.path}: {share}: labelled by motion; a head is {_wide(video, eye):.0f} pixels wide"
    )


def _wide(video: Video, eye: Eye) -> float:
    """A head, in pixels of the recording."""
    return 2 * eye.radius * min(video.size)


def _story(video: Video, eye: Eye, people: int) -> dict[str, object]:
    return {
        "video": video.path.name,
        "sha256": video.sha256,
        "by": eye.by,
        "seen_share": round(eye.seen_share, 3),
        "head_pixels": round(_wide(video, eye), 1) if eye.by == "motion" else None,
        "people": people,
    }

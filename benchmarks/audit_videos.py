"""Audit the four recordings with crossing truth, and print the result as a table.

    python benchmarks/audit_videos.py [--data DIR] [--precision f32|int8] [BUNDLE ...]

Each BUNDLE is a folder; none means the shipped one. Everything runs through `headcount audit`
with default settings. These are development videos: the figures are not those of an unseen door.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

VIDEOS = ("intel_one_by_one", "opencv_vtest_480x360", "footfall_overhead", "bus_overhead")


def audit(data: Path, video: str, bundle: Path | None, precision: str) -> dict[str, Any]:
    """The JSON of `headcount audit` of one video."""
    command = [sys.executable, "-m", "edge.cli", "audit", str(data / "videos" / f"{video}.mp4")]
    command += ["--truth", str(data / "gt" / f"{video}.json"), "--json"]
    command += ["--precision", precision, *(["--model", str(bundle)] if bundle else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """Print one row a bundle and video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("HEADCOUNT_DATA", "data"))
    parser.add_argument("--precision", default="f32")
    options = parser.parse_args()
    print("| bundle | video | true | found | missed | false | in tp/fn/fp | out tp/fn/fp |")
    print("|---|---|---|---|---|---|---|---|")
    for bundle in options.bundle or [None]:
        for video in VIDEOS:
            report = audit(Path(options.data), video, bundle, options.precision)
            sides = [
                "/".join(str(report[way][key]) for key in ("tp", "fn", "fp"))
                for way in ("in", "out")
            ]
            tp, fn, fp = (report[key] for key in ("tp", "fn", "fp"))
            name = bundle.name if bundle else "default"
            print(
                f"| {name} | {video} | {tp + fn} | {tp} | {fn} | {fp} | {sides[0]} | {sides[1]} |"
            )


if __name__ == "__main__":
    main()

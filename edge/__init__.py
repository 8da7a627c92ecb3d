"""headcount, the half that runs at the door: camera in, counts out."""

from __future__ import annotations

import sys

__version__ = "0.1.0"

# `import openvino` reports itself to a web service of its makers and numbers the user's machine for
# that. A door tells its broker and nobody else; without this package OpenVINO stays silent.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

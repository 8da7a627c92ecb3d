"""OpenVINO's core: one for a process, and as long as the process lives.

OpenVINO's CPU plugin gives the thread that loads it another stack for its signal handlers, and
takes that away when the core ends (openvinotoolkit/openvino#11894). Where two cores end in another
order than they began in, or on another thread, an unmapped stack is left behind, and the next
signal with a handler, a SIGTERM or a child's end, kills the process with SIGSEGV. A core that stays
cannot.
"""

from __future__ import annotations

from functools import cache

import openvino


@cache
def core() -> openvino.Core:
    """The core, made when it is first asked for. Nobody sets properties on it."""
    return openvino.Core()

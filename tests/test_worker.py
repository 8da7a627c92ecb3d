"""A worker is a process: it answers, or is killed and told of in one line."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import worker_child
from edge.restarts import RestartRule, Restarts
from edge.worker import CHILD, PROTOCOL, Worker, WorkerError
from tests.processes import open_files

ECHO = """
def serve(channel, options):
    channel.hello(mood=options.get("mood"))
    print("libraries may print")
    while True:
        got = channel.receive()
        if got is None:
            return
        head, payload = got
        do = head.get("do")
        if do == "hang":
            import time
            time.sleep(1000)
        elif do == "die":
            import os
            os._exit(3)
        elif do == "garbage":
            import os
            os.write(channel._sink, b"\\xff" * 64)
        else:
            channel.send(head, payload)
"""


def start(folder: Path, text: str = ECHO, **options: object) -> Worker:
    backend = folder / "backend.py"
    backend.write_text(text)
    return Worker.start("echo", Path(sys.executable), backend, options)


def gone(pid: int) -> bool:
    """Whether there is no such process, not even a zombie."""
    return not Path(f"/proc/{pid}").exists()


def test_what_is_sent_comes_back(tmp_path: Path) -> None:
    """The hello tells who is there; heads and arrays of every size go there and back unchanged."""
    rng = np.random.default_rng(1)
    with start(tmp_path, mood="fine") as worker:
        hello = worker.accept(worker.receive(20.0))
        assert ("fine", worker.pid) == (hello["mood"], hello["pid"])
        for size in (0, 1, 7, 65_536, 3_000_000):
            sent = rng.integers(0, 256, size, np.uint8)
            worker.send({"n": size}, sent, 20.0)
            got = worker.receive(20.0)
            assert {"n": size} == dict(got.head)
            np.testing.assert_array_equal(sent, got.payload)
        worker.send({}, np.ones((2, 3, 4), np.float32), 20.0)
        np.testing.assert_array_equal(1, worker.receive(20.0).payload.view(np.float32))


def test_nothing_is_waited_for_in_a_poll(tmp_path: Path) -> None:
    """A poll gives None until the message is whole."""
    with start(tmp_path) as worker:
        worker.accept(worker.receive(20.0))
        assert worker.poll() is None
        worker.send({"a": 1}, np.zeros(2_000_000, np.uint8), 20.0)
        until = time.monotonic() + 20
        while (message := worker.poll()) is None and time.monotonic() < until:
            time.sleep(0.001)
        assert message is not None
        assert (1, 2_000_000) == (message.head["a"], len(message.payload))


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("hang", "silent for 0.3 s"),
        ("die", "ended with exit status 3"),
        ("garbage", "sent what is not a message"),
    ],
)
def test_a_useless_child_is_killed_and_told(tmp_path: Path, order: str, told: str) -> None:
    """Silence, an exit and nonsense are each one line; no process and no pipe is left."""
    files = open_files()
    worker = start(tmp_path)
    worker.accept(worker.receive(20.0))
    worker.send({"do": order}, None, 20.0)

    with pytest.raises(WorkerError, match=told):
        worker.receive(20.0 if order != "hang" else 0.3)

    assert gone(worker.pid)
    assert files == open_files()
    worker.close()


def test_a_child_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    """Writing has a deadline, too: a hung child does not hang us once its pipe is full."""
    with start(tmp_path) as worker:
        worker.accept(worker.receive(20.0))
        worker.send({"do": "hang"}, None, 20.0)

        with pytest.raises(WorkerError, match=r"took no data for 0\.3 s"):
            worker.send({}, np.zeros(8_000_000, np.uint8), 0.3)


def test_kill_nine_is_told(tmp_path: Path) -> None:
    """A child that somebody kills is told by its signal."""
    with start(tmp_path) as worker:
        worker.accept(worker.receive(20.0))
        os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(WorkerError, match="ended by signal 9"):
            worker.receive(20.0)


def test_sigterm_is_for_the_parent(tmp_path: Path) -> None:
    """Who stops the service tells all its processes; the child works on until its input ends."""
    with start(tmp_path) as worker:
        worker.accept(worker.receive(20.0))
        os.kill(worker.pid, signal.SIGTERM)
        worker.send({"a": 1}, None, 20.0)
        assert {"a": 1} == dict(worker.receive(20.0).head)
        begun = time.monotonic()
        worker.finish(20.0)

    assert time.monotonic() - begun < 10
    assert gone(worker.pid)


def test_a_backend_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    """What it misses is one message, with the interpreter that misses it."""
    with start(tmp_path, "import no_such_library") as worker:
        said = worker.receive(20.0).head

    assert f"{sys.executable}: No module named 'no_such_library'" == said["error"]


def test_the_standard_library_is_not_ours(tmp_path: Path) -> None:
    """The child's own folder, which has a `types.py`, is not where its libraries come from."""
    where = "def serve(channel, options):\n    import sys\n    channel.send({'path': sys.path})\n"
    with start(tmp_path, where) as worker:
        path = worker.receive(20.0).head["path"]

    assert str(CHILD.parent) not in path


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    """A child of another version of this program is told, not misunderstood."""
    other = "def serve(channel, options):\n    channel.send({'hello': 99})\n    channel.receive()\n"
    with (
        start(tmp_path, other) as worker,
        pytest.raises(WorkerError, match="protocol 99, not 1"),
    ):
        worker.accept(worker.receive(20.0))


def test_no_such_interpreter_is_told(tmp_path: Path) -> None:
    """The path of the interpreter is in the message."""
    with pytest.raises(WorkerError, match=r"none/python cannot be started: No such file"):
        Worker.start("stick", tmp_path / "none" / "python", tmp_path / "b.py", {})


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no child behind, not even one that hangs."""
    (tmp_path / "backend.py").write_text(ECHO)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "backend.py")], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    until = time.monotonic() + 10
    while not gone(child) and not _is_zombie(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone(child) or _is_zombie(child)  # whoever adopts it reaps it


PARENT = """
import sys, time
from pathlib import Path
from edge.worker import Worker
worker = Worker.start("echo", Path(sys.executable), Path(sys.argv[1]), {})
worker.accept(worker.receive(20.0))
worker.send({"do": "hang"}, None, 1.0)
print(worker.pid, flush=True)
time.sleep(1000)
"""


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_the_child_is_plain_and_old(tmp_path: Path) -> None:
    """Its file is of Python 3.7 and of the standard library alone; both sides say one protocol."""
    assert worker_child.__file__ is not None
    tree = ast.parse(Path(worker_child.__file__).read_text(), feature_version=(3, 7))
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert names <= sys.stdlib_module_names
    assert worker_child.PROTOCOL == PROTOCOL


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20).map(sorted))
@settings(max_examples=200, deadline=None)
def test_restarts_are_patient(times: list[float]) -> None:
    """Pauses grow and stay within the rule; after too many failures there is a long rest."""
    rule = RestartRule(limit=3, window_s=100, first_s=0.5, most_s=4, rest_s=50)
    restarts = Restarts(rule)
    assert restarts.due() < 0
    for number, t in enumerate(times, 1):
        restarts.failed(t)
        recent = sum(t - other <= rule.window_s for other in times[:number])
        pause = restarts.due() - t
        if restarts.too_many(t):
            assert recent >= rule.limit
            assert pause == pytest.approx(rule.rest_s)
        else:
            assert pause == pytest.approx(min(0.5 * 2 ** (recent - 1), rule.most_s))

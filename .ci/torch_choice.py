"""Print "yes" where PyTorch may be installed for the tests, else "no"; the reason on stderr.

Usage: torch_choice.py auto|yes|no REQUIREMENT

auto: yes where the package index offers a build without CUDA; plain PyPI wheels for x86-64 Linux
bring gigabytes of CUDA libraries that no test here needs.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys


def choose(wish: str, requirement: str) -> tuple[bool, str]:
    """Whether to install PyTorch, and why."""
    if wish in ("yes", "no"):
        return wish == "yes", f"TORCH={wish}"
    if importlib.util.find_spec("torch") is not None:
        return True, "it is installed already"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return True, "this platform's wheels have no CUDA"
    version = offered_version(requirement)
    if version is None:
        return False, "the package index offers no such build; TORCH=yes tries all the same"
    if version.endswith("+cpu"):
        return True, f"the package index offers the CPU build {version}"
    return False, (
        f"the package index offers {version} with CUDA (gigabytes); TORCH=yes takes it, or let pip "
        "find PyTorch's CPU builds (PIP_EXTRA_INDEX_URL)"
    )


def offered_version(requirement: str) -> str | None:
    """What pip would install, None where it finds nothing."""
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    answer = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [*pip, "--report", "-", requirement], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        return None
    return str(json.loads(answer.stdout)["install"][0]["metadata"]["version"])


def main() -> None:
    """Entry point."""
    wanted, reason = choose(sys.argv[1], sys.argv[2])
    verb = "is installed" if wanted else "is left out and the tests that need it are skipped"
    print(f"PyTorch {verb}: {reason}.", file=sys.stderr)
    print("yes" if wanted else "no")


if __name__ == "__main__":
    main()

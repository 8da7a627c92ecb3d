"""Parts of a page that a program of their own renews, between two marks."""

from __future__ import annotations


def replaced(page: str, begin: str, end: str, part: str) -> str:
    """The page with another part between the marks.

    Raises:
        ValueError: it has no such marks.
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(f"the page has no marks {begin} and {end}")
    return f"{before}{begin}\n{part}{end}{after}"

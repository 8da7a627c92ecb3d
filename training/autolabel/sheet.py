"""A contact sheet of labelled pictures: one HTML file to look through and to strike out on."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from edge.types import Image
from training.autolabel.labels import Label

WIDTH = 320  # pixels of a picture on the sheet

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Labels</title>
<style>
body {{ font: 15px sans-serif; margin: 1em; background: #222; color: #eee }}
figure {{ display: inline-block; margin: 4px; position: relative; vertical-align: top }}
figcaption {{ font-size: 12px }}
rect {{ fill: transparent; stroke: #3f6; stroke-width: 2; cursor: pointer }}
rect.ignore {{ stroke: #fc0; stroke-dasharray: 4; pointer-events: none }}
rect.struck {{ stroke: #f33; stroke-dasharray: 2 }}
figure.struck {{ opacity: 0.25 }}
svg {{ position: absolute; left: 0; top: 0 }}
button {{ font: inherit }}
#bar {{ position: sticky; top: 0; background: #222; padding: 4px; z-index: 1 }}
</style>
<div id="bar">{count} pictures. Click a green box that is no head, or a picture's name to strike it
out as a whole; yellow places are not learned from. <button id="save">Save what is struck</button>,
then: <code>headcount-train data strike FOLDER struck.csv</code></div>
{figures}
<script>
for (const each of document.querySelectorAll("rect:not(.ignore), figcaption"))
  each.onclick = () => (each.closest("figcaption") ? each.parentNode : each)
    .classList.toggle("struck");
document.getElementById("save").onclick = () => {{
  const rows = ["image,box"];
  for (const each of document.querySelectorAll("figure")) {{
    if (each.classList.contains("struck")) rows.push(each.dataset.name + ",");
    else for (const box of each.querySelectorAll("rect.struck"))
      rows.push(each.dataset.name + "," + box.dataset.number);
  }}
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.join("\\n") + "\\n"], {{type: "text/csv"}}));
  link.download = "struck.csv";
  link.click();
}};
</script></html>
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and what is said of it."""

    name: str
    image: Image
    labels: Sequence[Label]


def sheet(pictures: Sequence[Shown]) -> str:
    """The page; pictures are in it, so that it can be sent around."""
    figures = "\n".join(_figure(picture) for picture in pictures)
    return _PAGE.format(count=len(pictures), figures=figures)


def _figure(picture: Shown) -> str:
    height = round(picture.image.shape[0] * WIDTH / picture.image.shape[1])
    small = cv2.resize(picture.image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()
    boxes = "".join(
        f'<rect data-number="{number}"{" class=ignore" if label.ignore else ""} '
        f'x="{x1 * WIDTH:.0f}" y="{y1 * height:.0f}" '
        f'width="{(x2 - x1) * WIDTH:.0f}" height="{(y2 - y1) * height:.0f}"/>'
        for number, label in enumerate(picture.labels)
        for x1, y1, x2, y2 in [label.box]
    )
    name = html.escape(picture.name, quote=True)
    return (
        f'<figure data-name="{name}"><img width="{WIDTH}" height="{height}" '
        f'src="data:image/jpeg;base64,{data}"><svg width="{WIDTH}" height="{height}">{boxes}</svg>'
        f"<figcaption>{name}</figcaption></figure>"
    )

"""The report of a run as one HTML page that loads nothing and needs no script: a pure function of the log."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from rtsod.pages.html_elements import document, section, table
from rtsod.training.advice import advice, ended
from rtsod.training.course import MOST_POINTS, Course
from rtsod.training.report_plots import area_plot, plots


def page(records: Sequence[Mapping[str, Any]], samples: bytes | None, previews: Mapping[int, bytes]) -> str:
    """The whole page.

    Args:
        records: of the log, see :mod:`rtsod.training.log`; may be empty or incomplete.
        samples: training samples, a JPEG picture.
        previews: of :mod:`rtsod.training.previews`, JPEG pictures by their step.
    """
    course = Course.of(records)
    model, preset = (str(course.config.get(name) or "?") for name in ("model", "preset"))
    title = escape(f"Training of {model}, preset {preset}") if course.config else "Training"
    machine = _mapping(course.start.get("machine"))
    where = (course.config.get("out"), machine.get("processor"))
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="muted">{" · ".join(escape(str(text)) for text in where if text)}</p>',
        f'<div class="cards">{"".join(_cards(course))}</div>',
        section("What to do next", "".join(_advice(course))),
    ]
    made = plots(course)
    if made:
        note = f"A curve has at most {MOST_POINTS} points; each is the mean of the lines of the log around it."
        parts.append(section("Course", f'<div class="plots">{"".join(made)}</div><p class="muted">{note}</p>'))
    parts += _pictures(course, samples, previews)
    parts += _data(course)
    if course.events:
        rows = [[escape(str(event.get("step", ""))), escape(_event(event))] for event in course.events]
        parts.append(section("Events", f'<div class="events">{table(("step", "what happened"), rows)}</div>'))
    if course.config:
        parts.append(section("Configuration", _facts(_flat(course.config))))
    facts = {**machine, **_mapping(course.start.get("versions"))}
    if facts:
        parts.append(section("Machine and versions", _facts(facts)))
    return document(title, "".join(parts))


def _cards(course: Course) -> Iterator[str]:
    broken = course.end is None and bool(course.events) and course.events[-1].get("files") is not None
    tone = "no" if broken else "none" if course.end is None else "yes"
    seconds = (course.end or {}).get("seconds")
    took = f" {_duration(seconds)} of training." if isinstance(seconds, (int, float)) else ""
    total = course.config.get("steps")
    of = f' <span class="unit">of {total:,}</span>' if isinstance(total, int) and total != course.step else ""
    yield _card(tone, "Steps", f"{course.step:,}{of}", ended(course) + took)
    best = course.best
    if best is None:
        yield _card("none", "Validation", "–", "There was none yet.")
        return
    first, last = course.validations[0], course.validations[-1]
    where = f"At step {best.step:,}. First {{:.4f}}, last {{:.4f}}."
    yield _card("yes", "Best MAE", f"{best.mae:.4f}", where.format(first.mae, last.mae))
    yield _card("yes", "maxF of the same weights", f"{best.max_f:.4f}", where.format(first.max_f, last.max_f))


def _card(tone: str, what: str, big: str, small: str) -> str:
    return (
        f'<div class="card {tone}"><div class="muted">{escape(what)}</div><div class="big">{big}</div>'
        f"<div>{escape(small)}</div></div>"
    )


def _advice(course: Course) -> Iterator[str]:
    for sentence, command in advice(course):
        shown = f"<br><code>{escape(command)}</code>" if command else ""
        yield f"<p>{escape(sentence)}{shown}</p>"


def _pictures(course: Course, samples: bytes | None, previews: Mapping[int, bytes]) -> Iterator[str]:
    if previews:
        best, newest = course.best, max(previews)
        shown = []
        for step, picture in sorted(previews.items(), reverse=True):
            name = f"step {step:,}" + (" (best)" if best is not None and step == best.step else "")
            opened = " open" if step == newest or (best is not None and step == best.step) else ""
            shown.append(f"<details{opened}><summary>{name}</summary>{_image(f'Maps at {name}', picture)}</details>")
        note = "Picture, mask and map, always of the same pictures, none of which is trained on."
        yield section("Held-out pictures", f'<p class="muted">{note}</p>{"".join(shown)}')
    if samples is not None:
        note = (
            "The first samples as the network sees them, after augmentation. Beside each is its subject alone, cut out "
            "by its mask: if another part of the picture is cut out, masks and pictures do not belong together."
        )
        yield section("Training samples", f'<p class="muted">{note}</p>{_image("Training samples", samples)}')


def _image(alternative: str, jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/jpeg;base64,{data}">'


def _data(course: Course) -> Iterator[str]:
    data = _mapping(course.start.get("data"))
    named = {"training": data.get("training") or [], "held out": data.get("held_out") or []}
    rows = [
        [
            f"{escape(str(one.get('name')))}<small>{escape(str(one.get('layout')))}</small>",
            what, *(escape(str(one.get(name))) for name in ("pairs", "empty", "weight")),
        ]
        for what, sets in named.items()
        for one in sets
    ]  # fmt: skip
    if not rows:
        return
    areas = {what: [one["areas"] for one in sets if one.get("areas")] for what, sets in named.items()}
    plot = f'<div class="plots">{area_plot(areas)}</div>' if any(areas.values()) else ""
    yield section("Data", table(("data set", "for", "pairs", "empty masks", "weight"), rows) + plot)


def _event(event: Mapping[str, Any]) -> str:
    files = event.get("files") or []
    return str(event.get("text", "")) + (f": {', '.join(map(str, files))}" if files else "")


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    return flat


def _facts(values: Mapping[str, Any]) -> str:
    cells = "".join(f"<tr><td>{escape(str(name))}</td><td>{escape(_text(value))}</td></tr>" for name, value in
                    values.items())  # fmt: skip
    return f'<table class="facts">{cells}</table>'


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.0f} s"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

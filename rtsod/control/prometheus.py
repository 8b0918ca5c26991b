"""The numbers of a run in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rtsod.control.redaction import redacted
from rtsod.live import LiveState
from rtsod.metrics import Percentiles

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(state: LiveState) -> str:
    """Everything that is counted and timed."""
    numbers, engine = state.numbers, state.engine
    about = {
        "engine": engine.name,
        "model": engine.model,
        "precision": engine.precision,
        "device": engine.device,
        "rung": state.rung or "",
    }
    lines = [
        *_family("rtsod_engine", "gauge", "What runs.", [(about, 1)]),
        *_family("rtsod_frames_captured_total", "counter", "Frames from the source.", [({}, numbers["captured"])]),
        *_family("rtsod_frames_missed_total", "counter", "Live frames nobody fetched.", [({}, numbers["missed"])]),
        *_family("rtsod_frames_composited_total", "counter", "Pictures shown.", [({}, numbers["composited"])]),
        *_family("rtsod_frames_tracked_total", "counter", "Of those, with a tracked mask.", [({}, numbers["carried"])]),
        *_family("rtsod_slates_total", "counter", "Slates shown.", [({}, numbers["slates"])]),
        *_counts("rtsod_frames_dropped_total", "Frames not shown.", "reason", numbers["dropped"]),
        *_counts("rtsod_events_total", "Failures and recoveries.", "event", numbers["events"]),
        *_family("rtsod_output_fps", "gauge", "Pictures per second.", [({}, numbers["output_fps"])]),
        *_percentiles("rtsod_latency_seconds", "From capture to output.", numbers["latency_ms"]),
        *_percentiles("rtsod_mask_age_seconds", "Age of the masks shown.", numbers["mask_age_ms"]),
        *_family("rtsod_paused", "gauge", "1 while the slate is asked for.", [({}, int(state.paused))]),
        *_family("rtsod_settings_revision", "counter", "Accepted changes.", [({}, state.revision)]),
    ]
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, help: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return lines


def _counts(name: str, help: str, label: str, counts: Mapping[str, int]) -> list[str]:
    return _family(name, "counter", help, [({label: key}, count) for key, count in counts.items()])


def _percentiles(name: str, help: str, values: Percentiles | None) -> list[str]:
    if values is None:
        return []
    quantiles = {"0.5": values["p50"], "0.95": values["p95"], "0.99": values["p99"]}
    return _family(name, "gauge", help, [({"quantile": key}, ms / 1e3) for key, ms in quantiles.items()])


def _escaped(text: str) -> str:
    return str(redacted(text)).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

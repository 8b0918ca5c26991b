"""``rtsod ctl``: changes a run while it goes on, from a terminal, a shortcut or a button."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from rtsod.cli.common import Parser, answer, run_command
from rtsod.config import MODEL_NAME_RULE, is_model_name, names_picture
from rtsod.control.client import RunClient
from rtsod.control.messages import check_upload
from rtsod.control.running import running_runs
from rtsod.errors import NotRunning, RtsodError, SourceError, UsageError
from rtsod.system.files import read_bytes
from rtsod.system.names import path_named, printable

_PROGRAM: Final = "rtsod ctl"
_DESCRIPTION: Final = """\
Change a run while it goes on. The run must have been started with --control.
"""
_EPILOG: Final = """\
actions:
  state                  what the run shows, and how fast (--json: everything)
  background [BG]        a name of the list, blur, blur:SIGMA, #RRGGBB, none,
                         transparent, next, or a file; without BG: the list
  blur SIGMA             the same as background blur:SIGMA
  mirror [on|off]        without on or off: switch it
  pause                  show the slate, which is the background without you;
                         --toggle: if it is paused, show the picture again
  resume                 show the picture again
  source [CAMERA]        without a name: the list
  profile [NAME]         apply one; --save: keep what runs now as NAME
  reload                 read rtsod.toml again: all that can be changed, or
                         nothing
  link                   a new link to the page; --view: one that shows the
                         picture and can change nothing
  quit                   end the run

examples:
  rtsod run --lite --virtual-camera --control    start a run
  rtsod ctl pause --toggle                       for a button: slate, or not
  rtsod ctl background beach
  rtsod ctl background ~/Pictures/office.jpg
  rtsod ctl --run all pause                      whatever runs

exit codes:
  0 done   2 usage, or refused   3 the source or a file cannot be opened
  6 output   7 nothing runs with --control, or it does not answer
  70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""
_Action: TypeAlias = Callable[[RunClient, argparse.Namespace], str | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _ctl(arguments))


def _ctl(arguments: Sequence[str] | None) -> None:
    options = parser().parse_intermixed_args(arguments)  # also "profile --save NAME"
    _check(options)
    runs = _chosen(options.run, to_read=options.action == "state")
    if options.toggle:  # of several, none is shown again while another one is put away
        options.toggle = all(_is_paused(run) for run in runs)
    first: RtsodError | None = None
    for run in runs:
        try:
            said = ACTIONS[options.action](run, options)
        except RtsodError as error:
            first = first or error  # the other runs are asked all the same
            continue
        if said is not None:
            answer(said if len(runs) == 1 or options.json else f"run {run.run.pid}\n{said}")
    if first is not None:
        raise first


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(
        prog=_PROGRAM,
        usage="%(prog)s [--run PID] ACTION [VALUE] [OPTIONS]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", metavar="ACTION", help="see below")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="what the action takes")
    parser.add_argument("--run", metavar="PID", help="which run, if there are several; all: each of them")
    parser.add_argument("--json", action="store_true", help="with state: print everything, for programs")
    parser.add_argument("--toggle", action="store_true", help="with pause: resume if the run is paused")
    parser.add_argument("--save", action="store_true", help="with profile: keep what runs now under that name")
    parser.add_argument("--view", action="store_true", help="with link: one to the picture, to change nothing")
    return parser


def _check(options: argparse.Namespace) -> None:
    """Refuse what an action does not take, before anything is asked."""
    action, value = options.action, options.value
    if action not in ACTIONS:
        raise UsageError(f"{action}: is no action: choose from {', '.join(ACTIONS)}")
    for option, taker in (("json", "state"), ("toggle", "pause"), ("save", "profile"), ("view", "link")):
        if getattr(options, option) and action != taker:
            raise UsageError(f"--{option}: is for {taker}, not for {action}")
    if action in ("state", "pause", "resume", "reload", "quit", "link") and value is not None:
        raise UsageError(f"{action} {value}: {action} takes no value")
    if action == "blur" and value is None:
        raise UsageError("blur: give a number of pixels, for example rtsod ctl blur 25")
    if action == "mirror" and value not in ("on", "off", None):
        raise UsageError(f"mirror {value}: choose from on, off")
    if options.save and value is None:
        raise UsageError("--save: give the profile a name")
    if options.save and not is_model_name(value):
        raise UsageError(f"profile {value}: is not a name: give {MODEL_NAME_RULE}")
    if value == "":
        raise UsageError(f"{action}: the value is empty")


def _chosen(named: str | None, *, to_read: bool) -> list[RunClient]:
    runs = running_runs()
    if not runs:
        raise NotRunning("nothing runs that can be controlled: start rtsod run with --control")
    if named == "all" or (named is None and (len(runs) == 1 or to_read)):
        return [RunClient(run) for run in runs]
    listed = ", ".join(f"{run.pid} ({run.source})" for run in runs)
    if named is None:
        raise UsageError(f"{len(runs)} runs can be controlled: add --run PID, or --run all: {listed}")
    found = [RunClient(run) for run in runs if str(run.pid) == named]
    if not found:
        raise NotRunning(f"--run {named}: is none of those that run: {listed}")
    return found


def _state(run: RunClient, options: argparse.Namespace) -> str:
    state = run.get("/api/v1/state")
    return json.dumps(state, indent=2) if options.json else "\n".join(map(printable, _state_lines(state)))


def _state_lines(state: dict[str, Any]) -> list[str]:
    settings, engine, source, numbers = (state[key] for key in ("settings", "engine", "source", "numbers"))
    switches = [name.replace("_", " ") for name in ("mirror", "light_wrap", "subject_lock") if settings[name]]
    shows = "slate" if state["paused"] else "live"
    lines = [
        ", ".join([shows, f"background {settings['background']}", f"edges {settings['refine']}", *switches]),
        f"source: {source['name']}" + (f", {source['width']}x{source['height']}" if source["width"] else ""),
        f"network: {engine['model']}, {engine['name']} {engine['precision']}, {engine['device']}"
        + (f", masks of {state['rung']}" if state["rung"] else ""),
    ]
    parts = [f"{numbers['output_fps']:.1f} pictures a second on average"]
    for label, key in (("latency", "latency_ms"), ("mask age", "mask_age_ms")):
        if (values := numbers[key]) is not None:
            parts.append(f"{label} {values['p50']:.0f} ms (95 %: {values['p95']:.0f})")
    lost = ", ".join(f"{count} {reason}" for reason, count in numbers["dropped"].items())
    lines.append(", ".join([*parts, f"not shown: {lost or 'none'}"]))
    if state["profile"] is not None:
        lines.append(f"profile: {state['profile']}")
    if state["event"] is not None:
        lines.append(f"last event: {state['event']}")
    return lines


def _background(run: RunClient, options: argparse.Namespace) -> str | None:
    value, known = options.value, run.get("/api/v1/backgrounds")
    if value is None:
        return _listed(known, run.get("/api/v1/state")["settings"]["background"])
    if value == "next":
        value = _after(run.get("/api/v1/state")["settings"]["background"], [choice["id"] for choice in known])
    elif _is_picture(value):
        path = path_named(value)
        try:
            check_upload(path.stat().st_size, f"background {value}")  # before all of it is read
            value = run.upload(path.name, read_bytes(path))["id"]
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    elif names_picture(value) and value not in (ids := [choice["id"] for choice in known]):
        close = get_close_matches(value, ids, n=1)
        meant = f"; did you mean {close[0]}?" if close else " (rtsod ctl background lists them)"
        raise UsageError(f"background {value}: no such file, and none of the list has this name{meant}")
    run.change(background=value)
    return None


def _is_picture(value: str) -> bool:
    """A name means the file of that very name first, as everywhere; but not what has a meaning of its own."""
    return names_picture(value) and Path(path_named(value)).is_file()


def _after(current: str, known: list[str]) -> str:
    if not known:
        raise UsageError("background next: there is none in the list")
    return known[(known.index(current) + 1) % len(known)] if current in known else known[0]


def _blur(run: RunClient, options: argparse.Namespace) -> None:
    run.change(background=f"blur:{options.value}")


def _mirror(run: RunClient, options: argparse.Namespace) -> None:
    wanted = options.value == "on" if options.value else not run.get("/api/v1/state")["settings"]["mirror"]
    run.change(mirror=wanted)


def _pause(run: RunClient, options: argparse.Namespace) -> None:
    run.post("/api/v1/resume" if options.toggle else "/api/v1/slate")


def _is_paused(run: RunClient) -> bool:
    try:
        return bool(run.get("/api/v1/state")["paused"])
    except RtsodError:  # it says so again when it is asked to change
        return True


def _source(run: RunClient, options: argparse.Namespace) -> str | None:
    known = run.get("/api/v1/sources")
    if options.value is None:
        return _listed(known, run.get("/api/v1/state")["settings"]["source"])
    named = [choice["id"] for choice in known if options.value in (choice["id"], choice["label"])]
    if not named:
        close = get_close_matches(options.value, [choice["id"] for choice in known], n=1)
        meant = f"; did you mean {close[0]}?" if close else " (rtsod ctl source lists them)"
        raise UsageError(f"source {options.value}: there is no such camera in the list{meant}")
    run.post("/api/v1/source", {"id": named[0]})
    return None


def _profile(run: RunClient, options: argparse.Namespace) -> str | None:
    if options.save:
        run.post("/api/v1/profiles", {"name": options.value})
        return None
    if options.value is None:
        names, current = run.get("/api/v1/profiles"), run.get("/api/v1/state")["profile"]
        return _listed([{"id": name, "label": name} for name in names], current) or "no profile yet: --save makes one"
    run.post(f"/api/v1/profile/{quote(options.value, safe='')}")
    return None


def _link(run: RunClient, options: argparse.Namespace) -> str:
    return str(run.post("/api/v1/link", {"role": "view" if options.view else "control"})["link"])


def _listed(choices: list[dict[str, str]], current: str | None) -> str:
    return "\n".join(
        printable(
            f"{'*' if choice['id'] == current else ' '} {choice['id']}"
            + (f"  ({choice['label']})" if choice["label"] != choice["id"] else "")
        )
        for choice in choices
    )


def _posting(path: str) -> _Action:
    def post(run: RunClient, options: argparse.Namespace) -> None:
        run.post(path)

    return post


ACTIONS: Final[dict[str, _Action]] = {
    "state": _state,
    "background": _background,
    "blur": _blur,
    "mirror": _mirror,
    "pause": _pause,
    "resume": _posting("/api/v1/resume"),
    "source": _source,
    "profile": _profile,
    "reload": _posting("/api/v1/reload"),
    "link": _link,
    "quit": _posting("/api/v1/quit"),
}
"""What can be done, by the word for it."""

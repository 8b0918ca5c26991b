"""``rtsod models``: lists, shows and removes the models that ``--model`` takes by name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Final

from rtsod.cli.common import Parser, answer, model_name, run_command
from rtsod.config import MODELS
from rtsod.errors import UsageError, WeightsError

_PROGRAM: Final = "rtsod models"
_USAGE: Final = "%(prog)s [show NAME | remove NAME] [--json]"
_DESCRIPTION: Final = """\
List, show and remove the models that --model takes by name.

full and lite are the authors' networks. A model of your own is a folder with
weights, a calibration for 8 bits, and a card that says from whom it learnt, how
good it is, and how fast. rtsod learn makes one.
"""
_EPILOG: Final = """\
examples:
  rtsod models                  all of them, one a line
  rtsod models show me          everything that is known of one
  rtsod models remove me        delete one of your own
  rtsod models --json           for programs
  rtsod run --model me          use one

exit codes:
  0 done   2 usage, or no model has that name   4 the model is damaged, or your
  models cannot be read   6 it cannot be deleted   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _models(arguments))


def _models(arguments: Sequence[str] | None) -> None:
    options = parser().parse_args(arguments)
    match options.action, options.name:
        case None, None:
            _list(as_json=options.json)
        case "show", str(name):
            _show(name, as_json=options.json)
        case "remove", str(name) if options.json:
            raise UsageError(f"--json: removing {name} prints nothing that is known: drop it")
        case "remove", str(name):
            _remove(name)
        case action, name:
            given = action if name is None else f"{action} {name}"
            raise UsageError(f"{given}: give nothing, show NAME, or remove NAME (see {_PROGRAM} --help)")


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(
        _PROGRAM, _USAGE, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    parser.add_argument("action", nargs="?", metavar="show | remove", help="(default: list all models)")
    parser.add_argument("name", nargs="?", type=model_name, metavar="NAME", help="of a model")
    parser.add_argument("--json", action="store_true", help="print what is known as JSON")
    return parser


def _list(*, as_json: bool) -> None:
    from rtsod.cli.model_lines import model_table, record_of  # late: --help must not wait for these
    from rtsod.model.inspection import inspect_model
    from rtsod.model.own_models import own_models
    from rtsod.model.shipped import shipped_models

    shipped, own = list(map(inspect_model, shipped_models())), list(map(inspect_model, own_models()))
    if as_json:
        answer(json.dumps({"own": list(map(record_of, own)), "shipped": list(map(record_of, shipped))}, indent=2))
        return
    lines = model_table([*own, *shipped]) if own or shipped else []
    if not own:
        lines.append("no model of your own yet: rtsod learn makes one")
    answer("\n".join([*lines, f"the authors' networks: {', '.join(MODELS)}"]))


def _show(name: str, *, as_json: bool) -> None:
    from rtsod.cli.model_lines import model_page, record_of
    from rtsod.model.inspection import inspect_model
    from rtsod.model.stored import stored_model

    if name in MODELS:
        raise UsageError(f"{name}: is the authors' network, and has no card: see docs/evaluation.md for how good it is")
    found = inspect_model(stored_model(name))
    if found.fault:
        raise WeightsError(found.fault)
    answer(json.dumps(record_of(found), indent=2) if as_json else "\n".join(model_page(found)))


def _remove(name: str) -> None:
    from rtsod.model.own_models import remove
    from rtsod.model.shipped import shipped_models

    if name in (*MODELS, *(model.name for model in shipped_models())):
        raise UsageError(f"{name}: comes with the program: only models of your own can be removed")
    remove(name)
    answer(f"removed {name}")

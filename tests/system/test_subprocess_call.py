"""A call in another process returns its result, ends with its caller, and prints nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.config import EngineConfig
from rtsod.errors import EngineError, UsageError
from rtsod.system.subprocess_call import SubprocessCall, call_in_subprocess

ROOT = Path(__file__).parents[2]
needs_fifo = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in the file system")


def test_the_result_comes_from_another_process() -> None:
    assert call_in_subprocess("asking", os.getpid) != os.getpid()
    assert call_in_subprocess("joining", "-".join, ["a", "b"]) == "a-b"
    large = bytes(1 << 20)  # more than a pipe holds
    assert call_in_subprocess("copying", bytes, large) == large


def test_it_imports_the_modules_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_the_caller.py").write_text("def answer():\n    return 42\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pickle.py").write_text("raise ImportError('a module of the current folder')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    import of_the_caller  # type: ignore[import-not-found]

    assert call_in_subprocess("asking", of_the_caller.answer) == 42


def test_errors_of_the_program_are_raised_unchanged() -> None:
    with pytest.raises(UsageError, match=r"^--device none: choose from "):
        call_in_subprocess("configuring", EngineConfig, device="none")


def test_other_errors_become_one_line_with_their_place() -> None:
    with pytest.raises(EngineError, match=r"^counting: internal error: ValueError: .*'x' at subprocess_call\.py:\d+$"):
        call_in_subprocess("counting", int, "x")


def test_the_death_of_the_process_is_an_error_with_its_last_line() -> None:
    with pytest.raises(EngineError, match=r"^dying: its process died \(exit code 3\): the end$"):
        call_in_subprocess("dying", exec, "import os; os.write(2, b'once\\nthe end\\n'); os._exit(3)")


def test_what_it_prints_is_neither_its_result_nor_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert call_in_subprocess("printing", os.system, "echo out; echo err >&2") == 0
    assert capfd.readouterr() == ("", "")


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom rtsod.system.subprocess_call import call_in_subprocess\n"
        "print(call_in_subprocess('asking', os.getpid) != os.getpid())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_without_a_python_to_start_it_fails_with_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OSError, match="no Python"):
        call_in_subprocess("asking", os.getpid)


@needs_fifo
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "test: interrupted"), (signal.SIGTERM, 143, "test: interrupted"), (signal.SIGKILL, -9, "")],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_it_ends_with_its_caller(number: signal.Signals, code: int, said: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    work = f"import time; out = open({str(pipe)!r}, 'w'); out.write('at it\\n'); out.flush(); time.sleep(100)"
    script = "import sys\nfrom rtsod.cli.common import run_command\n"
    script += "from rtsod.system.subprocess_call import call_in_subprocess\n"
    script += f"sys.exit(run_command('test', lambda _: call_in_subprocess('sleeping', exec, {work!r})))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as caller:
        with pipe.open() as held:
            assert held.readline() == "at it\n"
            if number == signal.SIGINT:  # as a terminal does: to all of the group
                os.killpg(caller.pid, number)
            else:
                caller.send_signal(number)
            assert held.read() == "", "the end of the pipe: the process is gone"
        assert caller.stderr is not None
        assert caller.stderr.read().strip() == said
    assert caller.returncode == code


def test_a_result_that_is_late_can_still_be_waited_for(tmp_path: Path) -> None:
    with SubprocessCall(exec, ("import time; time.sleep(0.5)",), {}) as call:
        with pytest.raises(TimeoutError):
            call.result(timeout=0)
        assert call.result() is None


def test_leaving_kills_the_process() -> None:
    with SubprocessCall(exec, ("import time; time.sleep(100)",), {}) as call:
        process = call._process
    assert process.returncode is not None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that can be handled")
def test_a_terminated_function_can_return_what_it_has(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with SubprocessCall(count_until_terminated, (ready,), {}) as call:
        while not ready.exists():
            assert call._process.poll() is None
        call.terminate()
        assert call.result(timeout=60) == "partial"


def count_until_terminated(ready: Path) -> str:
    class Ended(Exception): ...

    def end(number: int, frame: object) -> None:
        raise Ended

    signal.signal(signal.SIGTERM, end)
    try:
        ready.touch()
        while True:
            signal.pause()
    except Ended:
        return "partial"


def test_a_function_of_the_main_module_is_found_where_that_was_started_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(
        "from rtsod.system.subprocess_call import call_in_subprocess\n"
        "def double(number):\n    return 2 * number\n"
        "if __name__ == '__main__':\n    print(call_in_subprocess('doubling', double, 21))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-m", "study"], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("42\n", "")

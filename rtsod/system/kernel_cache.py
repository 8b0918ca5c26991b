"""Keeps a kernel's machine code on disk, so that the next start need not compile it.

Numba's own cache raises whatever unpickling raises when a file is damaged, executes machine code without checking it,
and fails the compilation when the disk is full. Here, what cannot be read is compiled again, what cannot be written is
not stored, and only the very bytes that were written are executed.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from rtsod.system.cache_folder import CACHE_LOG, cache_folder, read_checked, reason, write_checked
from rtsod.system.signals import interrupted_later

_log = logging.getLogger(CACHE_LOG)

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str, **options: Any) -> Callable[[Function], Function]:
    """A decorator that compiles a function to machine code now, or loads the code that an earlier start cached.

    The code runs without the interpreter's lock. Where ``NUMBA_DISABLE_JIT`` is set, the function stays as it is.

    Args:
        signature: of the function, in Numba's notation.
        options: of ``numba.njit``.
    """

    def compile_it(function: Function) -> Function:
        kernel: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
        if kernel is not function:
            compile_cached(kernel, signature)
        return cast(Function, kernel)

    return compile_it


def compile_cached(dispatcher: Any, signature: str, folder: Path | None = None) -> None:
    """Compile for one signature, or load what an earlier start compiled for it.

    Args:
        dispatcher: what ``numba.njit`` makes of a function.
        signature: of the function, in Numba's notation.
        folder: see :class:`KernelCache`.
    """
    if hasattr(dispatcher, "_cache"):  # where Numba keeps it; another release may keep it elsewhere
        dispatcher._cache = KernelCache(dispatcher.py_func, folder)
    with interrupted_later():  # LLVM calls Python back
        dispatcher.compile(signature)
        dispatcher.disable_compile()


class KernelCache:
    """One file per function, signature, processor and version of the code, in place of ``numba.core.caching.Cache``.

    A file holds the SHA-256 of the rest, then Numba's serialized form. Two processes that compile at once write the
    same file, each atomically.

    Args:
        function: the Python function.
        folder: for the files; None for ``kernels/`` in the user's cache.
    """

    cache_path = None
    """Part of Numba's protocol."""

    def __init__(self, function: Callable[..., Any], folder: Path | None = None) -> None:
        self._function, self._folder = function, folder

    def load_overload(self, signature: object, target: Any) -> Any:
        """The compiled function for Numba, or None if it must be compiled."""
        target.refresh()
        try:
            code = read_checked(self.path(signature, target.codegen()))
            from numba.core.compiler import CompileResult  # late: another release may keep it elsewhere

            rebuild: Any = CompileResult._rebuild
            return rebuild(target, *pickle.loads(code))
        except FileNotFoundError as error:
            _log.debug("compiling %s: %s", self._function.__name__, error.strerror)
        except Exception as error:  # Numba's internals, and what its unpickling calls, can raise anything
            _log.info("compiling %s again: %s", self._function.__name__, reason(error))
        return None

    def save_overload(self, signature: object, compiled: Any) -> None:
        """Store what Numba compiled, if that is possible."""
        try:
            from numba.core import serialize

            dumps: Any = serialize.dumps
            code = dumps(compiled._reduce())
            path = self.path(signature, compiled.codegen)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_checked(path, code)
        except Exception as error:  # as above; and a disk that is full, a folder that cannot be written
            _log.info("every start compiles %s again: %s", self._function.__name__, reason(error))

    def path(self, signature: object, codegen: Any) -> Path:
        """The file for a signature and a processor.

        Raises:
            OSError: there is no cache folder, or the source code cannot be read.
        """
        source = Path(self._function.__code__.co_filename).read_bytes()  # constants beside the function are compiled in
        versions = numba.__version__, sys.version, hashlib.sha256(source).hexdigest()
        key = hashlib.sha256(repr((versions, codegen.magic_tuple(), str(signature))).encode()).hexdigest()
        folder = self._folder or cache_folder() / "kernels"
        return folder / f"{self._function.__name__}-{key[:16]}.kernel"

"""Rules on telemetry inside a Python process: drop, edit and count records before they are exported.

`Rules` runs rules on OTLP requests; `dtq.otel` wraps the processors of the OpenTelemetry SDK, and `dtq.RulesFilter` is
a filter for the standard `logging`. Nothing here raises into the program that logs.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import pathlib
import sys
import threading
import weakref
from typing import Any, Callable, Mapping

from . import wire

__all__ = ["CHANGED", "DROP", "LOGS", "METRICS", "PASS", "Refused", "Rules", "RulesFilter", "SPANS"]

ABI_VERSION = 1
PASS, DROP, CHANGED = 0, 1, 2
LOGS, METRICS, SPANS = 0, 1, 2

OnNotice = Callable[[str, str], Any]
OnEmission = Callable[[int, "str | None", bytes], Any]


class Refused(ValueError):
    """The rules are wrong; the text says where and what to write instead."""


class _Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


_NOTICE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
_EMISSION = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t
)


class _Host(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("on_notice", _NOTICE), ("on_emission", _EMISSION)]


def _declare(library: Any) -> Any:
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    held, host = ctypes.POINTER(_Bytes), ctypes.POINTER(_Host)
    library.dtq_abi_version.restype = ctypes.c_uint32
    library.dtq_version.restype = text
    for name in ("dtq_rules_new", "dtq_rules_open"):
        getattr(library, name).argtypes = [text, size, host, ctypes.POINTER(pointer), held]
    library.dtq_rules_reload.argtypes = [pointer, text, size, held]
    library.dtq_rules_reload_file.argtypes = [pointer, held]
    library.dtq_rules_concern.argtypes = [pointer, ctypes.c_int32]
    library.dtq_rules_judge.argtypes = [pointer, ctypes.c_int32, text, size, ctypes.POINTER(ctypes.c_int32), held]
    library.dtq_rules_tick.argtypes = [pointer]
    library.dtq_rules_accounts.argtypes = [pointer, held]
    library.dtq_rules_free.argtypes = [pointer]
    library.dtq_rules_free.restype = None
    library.dtq_bytes_free.argtypes = [held]
    library.dtq_bytes_free.restype = None
    return library


def _load() -> tuple[Any, Any]:
    path = os.environ.get("DTQ_LIBRARY") or str(pathlib.Path(__file__).with_name("libdtq.so"))
    library = _declare(ctypes.CDLL(path))
    if library.dtq_abi_version() != ABI_VERSION:
        raise ImportError(f"{path} speaks version {library.dtq_abi_version()} of the calls, this package {ABI_VERSION}")
    return library, _declare(ctypes.PyDLL(path))


# The second keeps the interpreter's lock during a call. Judging takes some microseconds, less than a busy program takes to
# hand the lock back; and records of several threads never meet inside the library.
_library, _quick = _load()
__version__: str = _library.dtq_version().decode()
_HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


def _take(held: _Bytes) -> bytes:
    content = ctypes.string_at(held.data, held.size) if held.data else b""
    _quick.dtq_bytes_free(ctypes.byref(held))
    return content


def _end(rules: ctypes.c_void_p, _host: Any = None) -> None:
    # The same object is emptied, so that a thread about to judge finds nothing in the place of freed rules.
    held, rules.value = rules.value, None
    _library.dtq_rules_free(held)


_alive: weakref.WeakSet[Rules] = weakref.WeakSet()


def _renew_locks() -> None:
    # A thread that held one is not in the child, and would never give it back.
    for rules in list(_alive):
        rules._renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


class Rules:
    """The rules of a process, for any number of threads.

    `Rules(text)` or `Rules(path=...)`; a file is looked at again about once a second. `on_notice(name, message)` hears
    what an operator should know, `on_emission(signal, destination, request)` takes requests that rules make and that no
    processor of `dtq.otel` sends: metrics, and records for a named output. After a fork the child begins anew: what the
    parent holds and counted stays with the parent.
    """

    def __init__(
        self,
        text: str | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        on_notice: OnNotice | None = None,
        on_emission: OnEmission | None = None,
    ) -> None:
        self._rules = ctypes.c_void_p()
        self._renew_lock()
        self._on_emission = on_emission
        self._takers: dict[int, Callable[[bytes], Any]] = {}
        # Kept as long as the rules: the library calls them. They do not hold the rules, so that rules nobody has end.
        own = weakref.ref(self)

        def emission(*given: Any) -> int:
            rules = own()
            return rules._emission(*given) if rules else 0

        host = _Host(None, self._notice_of(on_notice), _EMISSION(emission))
        if (text is None) == (path is None):
            raise TypeError("either the text of the rules or path=")
        make = _library.dtq_rules_new if path is None else _library.dtq_rules_open
        given = (text if path is None else os.fspath(path)).encode()  # type: ignore[union-attr]
        report = _Bytes()
        status = make(given, len(given), ctypes.byref(host), ctypes.byref(self._rules), ctypes.byref(report))
        self._check(status, report)
        _alive.add(self)
        # What a program owes at its end is sent by `close` alone: nobody may be left then who would take it.
        weakref.finalize(self, _end, self._rules, host).atexit = False

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()
        self._judging: Any = contextlib.nullcontext() if _HAS_GIL else self._lock

    @staticmethod
    def _notice_of(call: OnNotice | None) -> Any:
        def on_notice(_: Any, name: bytes, message: bytes) -> None:
            try:
                if call:
                    call(name.decode(), message.decode())
            except Exception:  # It must not unwind into the library.
                pass

        return _NOTICE(on_notice) if call else _NOTICE()

    def _emission(self, _: Any, signal: int, destination: bytes | None, data: int, size: int) -> int:
        try:
            request = ctypes.string_at(data, size)
            taker = self._takers.get(signal) if destination is None else None
            if taker:
                taker(request)
            elif self._on_emission:
                self._on_emission(signal, destination and destination.decode(), request)
            else:
                return 0
            return 1
        except Exception:  # It must not unwind into the library, which counts it as lost.
            return 0

    @staticmethod
    def _check(status: int, report: _Bytes) -> None:
        text = _take(report).decode()
        if status:
            raise Refused(text or f"libdtq: status {status}")

    def reload(self, text: str | None = None) -> None:
        """Takes the rules of a text in the place of these, or reads their file again.

        Raises `Refused` where they are wrong, and those before go on.
        """
        report = _Bytes()
        with self._lock:
            if text is None:
                status = _library.dtq_rules_reload_file(self._rules, ctypes.byref(report))
            else:
                given = text.encode()
                status = _library.dtq_rules_reload(self._rules, given, len(given), ctypes.byref(report))
        self._check(status, report)

    def concern(self, signal: int) -> bool:
        """Says whether any rule is for a signal; where none is, no request has to be made to be judged."""
        with self._judging:
            return bool(_quick.dtq_rules_concern(self._rules, signal))

    def judge(self, signal: int, request: bytes) -> tuple[int, bytes | None]:
        """Returns the verdict on an OTLP request, and for CHANGED the bytes that go on."""
        verdict, changed = ctypes.c_int32(), _Bytes()
        with self._judging:
            status = _quick.dtq_rules_judge(
                self._rules, signal, request, len(request), ctypes.byref(verdict), ctypes.byref(changed)
            )
        if status:
            return PASS, None
        return verdict.value, _take(changed) if verdict.value == CHANGED else None

    def tick(self) -> None:
        """Sends on what is due by the time; only programs that are silent for long need to call it."""
        with self._lock:
            _library.dtq_rules_tick(self._rules)

    def accounts(self) -> dict[str, Any]:
        """Returns what rules did: `running`, `counts`, `rules`, `left_out`, `warnings`."""
        held = _Bytes()
        with self._lock:
            _library.dtq_rules_accounts(self._rules, ctypes.byref(held))
        return json.loads(_take(held) or b"{}")

    def close(self) -> None:
        """Sends on what rules still owe, and ends them; records that come later pass."""
        with self._lock:
            _end(self._rules)

    def __enter__(self) -> Rules:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class RulesFilter(logging.Filter):
    """A filter for handlers and loggers of `logging`: a record is a row of `logs`, what is extra its Attributes.

    The logger's name is `Scope.Name`; place and exception are attributes under the names of OpenTelemetry. A rule that
    edits cannot edit here: the record passes as it is, or, with `withholds=True`, is removed.
    """

    def __init__(self, rules: Rules, resource: Mapping[str, Any] | None = None, *, withholds: bool = False) -> None:
        """`withholds` says what becomes of a record that a rule wants edited: whether it is removed, or passes."""
        super().__init__()
        self._rules = rules
        self._resource = wire.resource(resource or {})
        self._withholds = withholds

    def filter(self, record: logging.LogRecord) -> bool:
        """Says whether a record passes the rules."""
        try:
            if not self._rules.concern(LOGS):
                return True
            request = wire.request(self._resource, wire.scope(record.name), self._content(record))
            verdict, _ = self._rules.judge(LOGS, request)
            return verdict == PASS or (verdict == CHANGED and not self._withholds)
        except Exception:  # A record that cannot be judged passes.
            return True

    @staticmethod
    def _content(record: logging.LogRecord) -> bytes:
        attributes = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        attributes["code.file.path"] = record.pathname
        attributes["code.line.number"] = record.lineno
        attributes["code.function.name"] = record.funcName
        if record.exc_info and record.exc_info[1] is not None:
            attributes["exception.type"] = type(record.exc_info[1]).__name__
            attributes["exception.message"] = str(record.exc_info[1])
        return wire.log_record(
            time_ns=int(record.created * 1e9),
            severity_number=wire.severity_number(record.levelno),
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes=attributes,
        )

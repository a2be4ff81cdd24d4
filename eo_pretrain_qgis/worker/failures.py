"""What a death or an unexpected error means, in two sentences: what is wrong, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import EngineError, EOPretrainError, first_line
from ..outputs import said

# Windows gives NTSTATUS numbers (https://learn.microsoft.com/openspecs/windows_protocols/ms-erref), POSIX the negative signal number;
# a shell or a container between turns signal n into 128 + n.
OUT_OF_MEMORY = {-9, 137, 0xC0000017}
DEATHS = {
    -11: "crashed in a library (segmentation fault)",
    139: "crashed in a library (segmentation fault)",
    -7: "crashed in a library (bus error), as happens when a disk or shared memory is full",
    -6: "was aborted by a library",
    134: "was aborted by a library",
    -4: "met an instruction this processor does not know",
    -15: "was ended from outside",
    143: "was ended from outside",
    -2: "was interrupted from outside",
    0xC0000005: "crashed in a library (access violation)",
    0xC000001D: "met an instruction this processor does not know",
    0xC0000135: "could not start because a DLL is missing",
    0xC0000139: "could not start because a DLL is too old",
    0xC0000142: "could not start because a DLL failed to load",
}
ADVICE = {
    0xC0000135: "Install the current Microsoft Visual C++ Redistributable and run again.",
    0xC0000139: "Install the current Microsoft Visual C++ Redistributable and run again.",
    0xC0000142: "Install the current Microsoft Visual C++ Redistributable and run again.",
}

# What uv and pip print → what is wrong and what to do; the first that fits counts, so the special stand before the general.
INSTALLATION = (
    (r"No space left|os error 28|os error 112|not enough space|Errno 28|Disk quota exceeded",
     "The disk is full while building the engine in {place}. Free some space (“train” takes about 7.3 GB) or choose another place, and "
     "run again."),
    (r"certificate|self.signed|UnknownIssuer|SSLError|SSL:|TLS handshake",
     "The package index was reached, but its certificate is not trusted here, as happens behind a proxy that opens encrypted traffic. "
     "Set SSL_CERT_FILE to the certificate of your network, or install from a folder of wheels."),
    (r"407 |Proxy Authentication|[Pp]roxy ?[Ee]rror|tunnel error|proxy connect",
     "The proxy refused the connection to the package index. Set HTTPS_PROXY to your proxy with its credentials, or install from a "
     "folder of wheels."),
    (r"(?:401|403) (?:Unauthorized|Forbidden)|status code: 40[13]",
     "The package index refused access. Check the address and credentials of your package index, or install from a folder of wheels."),
    (r"[Hh]ash mismatch|do not match the hashes|THESE PACKAGES DO NOT MATCH|must have their versions pinned|hashes are required",
     "A package is not the one this version of the plugin was made with (its hash differs). Remove it from the folder of wheels or the "
     "mirror, and run again."),
    (r"network was disabled|--offline|UV_OFFLINE",
     "uv is told to stay offline and does not have all packages in its cache. Unset UV_OFFLINE, or install from a folder of wheels."),
    (r"No interpreter found|No virtual environment found|No download found for request|Python downloads are (?:disabled|set)",
     "There is no Python 3.11 to 3.14 on this machine, and none could be downloaded. Install one of them and run again."),
    (r"not found in the provided package locations|because .{0,80}has no usable wheels|"
     r"because there (?:is|are) no wheels? .{0,60}locations",
     "The folder of wheels {wheels} does not hold every package for this system. Fill it with “pip download -r {pinned}” "
     "on a machine of the same kind, and run again."),
    (r"has no wheels with a matching|no matching (?:Python|platform)|does not satisfy Python|requires a different Python|Requires-Python",
     "The packages do not exist for this Python or this system. Install Python 3.11 to 3.14 for 64 bit and run again."),
    (r"Permission denied|os error 13|os error 5|Access is denied|Read-only file system",
     "The folder {place} cannot be written to. Choose another place to build the engine, and run again."),
    (r"dns error|failed to lookup|[Cc]onnection refused|[Nn]etwork is unreachable|error sending request|timed out|NewConnectionError|"
     r"operation timed out|Name or service not known|Temporary failure in name resolution|client error \(Connect\)",
     "The package index cannot be reached. Check the network, set HTTPS_PROXY when there is a proxy, or install from a folder of wheels; "
     "what was already downloaded is kept."),
    (r"Not Found|404|not found in the package registry|No matching distribution|No solution found",
     "The package index lacks a package the engine needs. Check which index uv and pip are set to use, or install from a folder of "
     "wheels."),
)


def explain_exit(code: int, hungry: Sequence[str], kept: bool = False) -> str:
    """Two sentences for a worker that ended with `code` without an answer, or three.

    Args:
        code: its exit code.
        hungry: labels of parameters that take memory.
        kept: what it had finished stays for the next job that asks for the same.
    """
    goes_on = " What was finished is kept: run it again with the same values, and it goes on from there." if kept else ""
    return _explained_exit(code, hungry) + goes_on


def _explained_exit(code: int, hungry: Sequence[str]) -> str:
    shown = f"0x{code:X}" if code > 0xFFFF else str(code)
    if code in OUT_OF_MEMORY:
        return f"The worker was killed (exit code {shown}), by a person or, as happens when the memory is full, by the system. {_relief(hungry)}"
    what = DEATHS.get(code, "ended without an answer")
    advice = ADVICE.get(code, "Run “Check the engine” to see whether the engine is complete, then run again.")
    return f"The worker {what} (exit code {shown}). {advice}"


def is_memory(error: BaseException) -> bool:
    """Whether an error means that the memory is full: Python's own, torch's for a device, and what libraries in C++ throw."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "std::bad_alloc" in str(error)


def explain_exception(error: Exception, hungry: Sequence[str]) -> EOPretrainError:
    """The error to show for an exception nobody expected; its traceback belongs in the log. `hungry` as in `explain_exit`."""
    words = first_line(error).rstrip(".")
    if is_memory(error):
        return EngineError(f"The memory is not enough: {words if str(error).strip() else 'an allocation failed'}. {_relief(hungry)}")
    if isinstance(error, OSError) and (sentence := said(error)) is not None:
        return sentence
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("eo_pretrain_qgis"):
        return EngineError(f"The engine lacks the package “{error.name}”. Run “Install the engine” (eopretrain:installengine) again.")
    if isinstance(error, ImportError) and re.search("failed to map segment|[Cc]annot allocate memory", str(error)):
        return EngineError(f"The memory is not enough to load a library of the engine: {words}. {_relief(hungry)}")
    if isinstance(error, ImportError) and "DLL load failed" in str(error):
        return EngineError(f"A library of the engine does not load: {words}. {ADVICE[0xC0000135]}")
    return EngineError(f"The worker met an unexpected error, {type(error).__name__}: {words}. This is a fault of the plugin: "
                       "please report it with the log.")


def explain_installation(output: str, **names: str) -> str:
    """Two sentences for what uv or pip printed when it failed, then its own last lines.

    Args:
        output: what was printed.
        **names: ``place`` where the engine is built, ``wheels`` the folder of wheels, ``pinned`` the requirements file.
    """
    for pattern, sentences in INSTALLATION:
        if re.search(pattern, output):
            told = sentences.format(**names)
            break
    else:
        told = f"The engine could not be built in {names['place']}. Read the lines below, put right what they name, and run again."
    return f"{told}\n{tail(output, 12)}"


def tail(text: str, count: int) -> str:
    """The last lines that hold something."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _relief(hungry: Sequence[str]) -> str:
    labels = " or ".join(f"“{label}”" for label in hungry)
    return f"Lower {labels}, or close other programs, and run again." if labels else "Close other programs and run again."

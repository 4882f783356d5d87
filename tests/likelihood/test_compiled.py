"""Machine code comes from other processes, and its folder may be damaged, shared or missing."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import types

from bayessem.likelihood import compiled, entry, machine_code

SOURCE = str(compiled.PACKAGE.parent)
# A module with a C function and a function that Python calls, each quick to compile.
MODULE = """
from numba import types
from bayessem.likelihood.compiled import c_function, compiled

@compiled
def half(x):
    return 0.5 * x

@c_function(types.float64(types.float64))
def quarter(x):
    return half(half(x))
"""
USE = """
import ctypes, sys
sys.path.insert(0, {folder!r})
from bayessem.likelihood import compiled
compiled.ENGINES["small"] = ("a quarter", 1.0)
import small
number = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(small.quarter.address)(8.0)
print(number, small.half(3.0), compiled._FOLDER)
"""


class Package:
    """A folder with the module above, and one for machine code."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.said = folder, folder / "cache", ""
        (folder / "small.py").write_text(MODULE)

    def start(self, **environment: str) -> subprocess.Popen:
        inherited = {k: v for k, v in os.environ.items() if k != compiled.COMPILES}
        return subprocess.Popen(
            [sys.executable, "-c", USE.format(folder=str(self.folder))],
            env={
                **inherited,
                "PYTHONPATH": SOURCE,
                "NUMBA_CACHE_DIR": str(self.cache),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **environment: str) -> tuple[str, str]:
        return self.end(self.start(**environment))

    @staticmethod
    def end(process: subprocess.Popen) -> tuple[str, str]:
        """What a process wrote to standard output (its two numbers are right) and error."""
        out, error = process.communicate()
        assert process.returncode == 0, error
        assert out.split()[:2] == ["2.0", "1.5"]
        return out.split()[2], error

    def files(self, ending: str) -> list[Path]:
        return sorted(self.cache.rglob(f"*small*{ending}"))


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


@pytest.fixture(scope="module")
def compiled_package(tmp_path_factory):
    package = Package(tmp_path_factory.mktemp("compiled"))
    package.said = package.run()[1]
    return package


def test_compiling_is_said_once_with_what_and_how_long(compiled_package):
    error = compiled_package.said
    assert "bayessem: compiling a quarter, this once; about" in error
    assert "seconds" in error
    assert "in memory" not in error
    assert compiled_package.run()[1] == ""


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"garbage\nand more of it", None])
def test_damaged_files_heal(compiled_package, tmp_path, ending, content):
    package = Package(tmp_path)
    shutil.copytree(compiled_package.folder, package.folder, dirs_exist_ok=True)
    for path in (*package.files(".object"), *package.files(ending)):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert "compiling a quarter" in package.run()[1]
    assert package.run()[1] == ""


@pytest.mark.parametrize("ending", [".nbi", ".nbc", ".sha256"])
def test_a_pickle_that_was_changed_is_never_read(compiled_package, tmp_path, ending):
    package = Package(tmp_path)
    shutil.copytree(compiled_package.folder, package.folder, dirs_exist_ok=True)
    trap = tmp_path / "trapped"
    bomb = f"cbuiltins\nopen\n(V{trap}\nVw\ntR.".encode()  # would make a file
    for path in package.files(ending):
        path.write_bytes(bomb if ending != ".nbi" else b"0.66.0\n" + bomb)
    assert "compiling small functions" in package.run()[1]
    assert not trap.exists()
    assert package.run()[1] == ""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files here")
def test_the_folder_is_its_users_alone(compiled_package, tmp_path):
    folder = next(compiled_package.cache.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700
    package = Package(tmp_path)
    shutil.copytree(compiled_package.folder, package.folder, dirs_exist_ok=True)
    copied = next(package.cache.iterdir())
    copied.chmod(0o755)  # others could read it, but not change it
    assert "compiling a quarter" not in package.run()[1]
    assert copied.stat().st_mode & 0o777 == 0o700
    copied.chmod(0o777)
    (copied / "planted").write_text("by somebody")
    assert "compiling a quarter" in package.run()[1]  # what was there is not trusted
    assert copied.stat().st_mode & 0o777 == 0o700
    assert not (copied / "planted").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files here")
def test_the_folder_of_another_user_or_a_link_is_not_taken(monkeypatch, tmp_path):
    folder = tmp_path / "kernel"
    assert compiled._usable(folder)
    monkeypatch.setattr(compiled.os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert not compiled._usable(folder)
    monkeypatch.undo()
    (tmp_path / "link").symlink_to(folder)
    assert not compiled._usable(tmp_path / "link")


def test_a_home_that_cannot_be_written_or_is_not_there(package):
    environment = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
    for home in ("/proc/nobody", str(package.folder / "small.py")):
        code = (
            "from pathlib import Path; from bayessem.likelihood import compiled as c;"
            "c.PACKAGE = Path('/proc/package'); print(c._cache_folder())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment, "PYTHONPATH": SOURCE, "HOME": home},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "no folder for machine code can be written" in done.stderr
        assert done.stdout.strip().startswith("/")
        assert not Path(done.stdout.strip()).exists()  # a temporary one, gone with the process


def test_one_changed_byte_is_seen(tmp_path):
    path = tmp_path / "a.object"
    machine_code.write(path, {"f": ("symbol", b"some code"), "g": ("other", b"more")})
    assert machine_code.read(path) == {"f": ("symbol", b"some code"), "g": ("other", b"more")}
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert machine_code.read(path) == {}


def test_an_object_file_of_several_functions_is_kept_once(tmp_path):
    code = bytes(range(256)) * 100
    objects = {"f": ("one", code), "g": ("two", b"other"), "h": ("three", code)}
    machine_code.write(tmp_path / "a.object", objects)
    assert machine_code.read(tmp_path / "a.object") == objects
    assert (tmp_path / "a.object").stat().st_size < 1.1 * len(code)


def test_two_processes_may_start_cold_at_once(package):
    started = [package.start() for _ in range(2)]
    said = [package.end(process)[1] for process in started]
    assert sum("compiling a quarter" in error for error in said) == 1
    assert len(package.files(".object")) == 1


def test_without_a_folder_it_runs_and_says_so(package):
    blocked = package.folder / "file"
    blocked.write_text("")
    environment = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "")
    folder, error = package.run(**environment, NUMBA_CACHE_DIR=str(blocked))
    assert f"no folder for machine code can be written (tried {blocked})" in error
    assert "Set NUMBA_CACHE_DIR" in error
    assert not Path(folder).exists()  # it was a temporary one


def test_without_any_folder_it_compiles_in_memory(monkeypatch, capsys):
    monkeypatch.setattr(compiled, "_FOLDER", None)
    compiled._objects.cache_clear()
    before = list(compiled._functions)
    try:
        made = compiled.c_function(types.float64(types.float64))(lambda x: 0.25 * x)
        call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(made.address)
        assert call(8.0) == 2.0
        assert "in memory" in capsys.readouterr().err
        assert compiled.missing("anything") == ["anything"]
        compiled.compile_elsewhere("anything")
    finally:
        compiled._functions[:] = before
        compiled._objects.cache_clear()


def test_nobody_is_at_home(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert [p.name for p in compiled._parents()] == ["__pycache__"]


def test_a_temporary_folder_when_no_other_can_be_written(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv(compiled.COMPILES, raising=False)
    monkeypatch.setattr(compiled, "_parents", lambda: iter([tmp_path / "file" / "below"]))
    (tmp_path / "file").write_text("")
    folder = compiled._cache_folder()
    assert folder is not None
    assert folder.is_dir()
    assert "can be written (tried" in capsys.readouterr().err
    folder.rmdir()

    def refuse(**options):
        raise OSError("read-only file system")

    monkeypatch.setattr(compiled.tempfile, "mkdtemp", refuse)
    assert compiled._cache_folder() is None
    assert "in every process" in capsys.readouterr().err


def test_the_estimate_counts_jobs_cores_and_what_else_runs(monkeypatch):
    monkeypatch.setattr(compiled.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(compiled.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert compiled._estimate([24.0, 16.0]) == "about 25 seconds"
    monkeypatch.setattr(compiled.os, "getloadavg", lambda: (2.0, 0.0, 0.0))
    assert compiled._estimate([24.0, 16.0]) == "about 50 seconds"
    monkeypatch.setattr(compiled.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(compiled.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert compiled._estimate([24.0, 16.0]) == "about 40 seconds"


def test_modules_are_shared_out_the_longest_first():
    shares = compiled._shared_out(list(compiled.CORE))
    assert [share for share, _ in shares] == [
        ["bayessem.likelihood.entry"],
        ["bayessem.posterior.entry", "bayessem.likelihood.terms"],
    ]
    assert shares[1][1] == sum(compiled.ENGINES[m][1] for m in compiled.TOGETHER)
    assert [share for share, _ in compiled._shared_out(["bayessem.likelihood.terms"])] == [
        ["bayessem.likelihood.terms"]
    ]
    every = [m for share, _ in compiled._shared_out(list(compiled.ENGINES)) for m in share]
    assert sorted(every) == sorted(compiled.ENGINES)


@pytest.mark.parametrize("cores", [1, 2])
def test_no_more_processes_at_once_than_cores(monkeypatch, tmp_path, cores):
    monkeypatch.setattr(compiled.os, "cpu_count", lambda: cores)
    log = tmp_path / "log"
    code = (
        "import os, sys, time\n"
        "def say(what):\n"
        "    with open(sys.argv[1], 'a') as log: log.write(what + sys.argv[2] + ' ')\n"
        "say('+'); time.sleep(0.2); say('-')"
    )
    commands = [[sys.executable, "-c", code, str(log), name] for name in "abcd"]
    compiled._run_all(commands, dict(os.environ))
    events = log.read_text().split()
    assert sorted(events) == sorted(sign + name for name in "abcd" for sign in "+-")
    running = np.cumsum([1 if event[0] == "+" else -1 for event in events])
    assert running.max() == cores
    if cores == 1:
        assert "".join(events) == "+a-a+b-b+c-c+d-d"


def test_warm_compiles_every_engine(monkeypatch):
    asked = []
    monkeypatch.setattr(compiled, "compile_elsewhere", lambda *modules: asked.extend(modules))
    monkeypatch.setattr(compiled, "missing", lambda *modules: [modules[1]])
    assert compiled.warm() == (compiled._FOLDER, ("the posterior density",))
    assert asked == list(compiled.ENGINES)
    files = {f"bayessem/{'/'.join(m.split('.')[1:])}.py" for m in compiled.ENGINES}
    assert all((compiled.PACKAGE.parent / f).exists() for f in files)


def test_what_is_on_disk_is_found():
    assert entry.entry.address
    assert compiled.missing("bayessem.no_such_module") == ["bayessem.no_such_module"]
    if compiled._FOLDER is not None:
        assert not compiled.missing("bayessem.likelihood.entry")


ARRAYS = """
import ctypes
import numpy as np
from numba import types
from numba.core.runtime import _nrt_python as runtime
from bayessem.likelihood.compiled import OPTIONS, compiled
from bayessem.likelihood.machine_code import compile_object, load

@compiled
def halves(x):
    return x[: x.size // 2], x[x.size // 2 :]

def total(n):
    kept = [np.ones(3)]
    for i in range(n):
        first, second = halves(np.arange(float(n)))
        kept.append(second if i % 2 else first)
    return sum([x.sum() for x in kept])

code = compile_object(
    total, types.float64(types.int64), optimise_callees={optimise_callees}, **OPTIONS
)
function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(load(*code))
runtime.memsys_enable_stats()
before = runtime.memsys_get_stats_mi_alloc(), runtime.memsys_get_stats_mi_free()
print(function(6))
made = runtime.memsys_get_stats_mi_alloc() - before[0]
freed = runtime.memsys_get_stats_mi_free() - before[1]
print(made, freed)
"""


@pytest.mark.parametrize("optimise_callees", [True, False])
def test_arrays_are_freed_where_references_are_counted_without_locks(tmp_path, optimise_callees):
    done = subprocess.run(
        [sys.executable, "-c", ARRAYS.format(optimise_callees=optimise_callees)],
        env={**os.environ, "PYTHONPATH": SOURCE, compiled.COMPILES: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    total, made, freed = done.stdout.split()
    assert float(total) == 3 + 3 * (0 + 1 + 2) + 3 * (3 + 4 + 5)
    assert int(made) == int(freed) >= 7


TOGETHER = """
import ctypes
import numpy as np
from numba import carray, types
from bayessem.likelihood.compiled import OPTIONS, compiled
from bayessem.likelihood.machine_code import compile_together, load

@compiled
def squares(n):
    out = np.empty(n)
    for i in range(n):
        out[i] = i * i
    return out

def total(n):
    return squares(n).sum()

def fill(n, address):
    carray(address, (4,))[:] = squares(n)
    return 0.0

made = compile_together(
    {
        "total": (total, types.float64(types.int64)),
        "fill": (fill, types.float64(types.int64, types.CPointer(types.float64))),
    },
    **OPTIONS,
)
assert made["total"][1] is made["fill"][1]
assert made["total"][0] != made["fill"][0]
add = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(load(*made["total"]))
put = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_void_p)(load(*made["fill"]))
out = np.zeros(4)
put(4, out.ctypes.data)
print(add(4), *out)
put(3, out.ctypes.data)
print(*out)
"""


def test_functions_of_one_object_file_and_an_error_in_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER],
        env={**os.environ, "PYTHONPATH": SOURCE, compiled.COMPILES: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["14.0 0.0 1.0 4.0 9.0", "0.0 1.0 4.0 9.0"]
    assert "ValueError: cannot assign slice from input of different size" in done.stderr

"""Machine code comes from other processes, so that the first run computes what all others do."""

from bayessem.likelihood import compiled, entry  # noqa: F401  (entry: the kernel is there by now)


def test_jobs_run_in_their_role_and_may_fail(tmp_path, monkeypatch):
    monkeypatch.delenv(compiled.ROLE, raising=False)
    code = f"""
import os, pathlib
role = os.environ[{compiled.ROLE!r}]
pathlib.Path({str(tmp_path)!r}, role).write_text(role)
import bayessem
"""
    compiled.compile_elsewhere(("a", code), ("b", code), ("c", "raise SystemExit(3)"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_process_that_compiles_starts_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.ROLE, "kernel")
    compiled.compile_elsewhere(("a", f"open({str(tmp_path / 'a')!r}, 'w')"))
    assert not list(tmp_path.iterdir())


def test_what_is_on_disk_is_found():
    assert compiled.missing("entry.no_such_function")
    assert not compiled.missing("entry._entry")

#!/usr/bin/env bash
# Make .venv: a virtual environment with the pinned dependencies and bayessem
# installed editable. Needs bash, pip's usual access to packages, and a CPython
# of a supported version, which it finds by itself. Once .venv is complete and
# neither pyproject.toml nor constraints.txt has changed, it returns at once.
#
#   scripts/setup.sh                        use the first suitable Python found
#   BAYESSEM_PYTHON=/path/to/python scripts/setup.sh    use this one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

ENVIRONMENT=.venv
STAMP=$ENVIRONMENT/.complete-for

# The stamp is what the environment was made from, not a hash of it. The folder
# belongs to it because a copied or moved environment points back to the old one.
origin() {
    pwd -P
    cat pyproject.toml constraints.txt
}

environment_runs() {
    [ -f "$STAMP" ] && "$ENVIRONMENT/bin/python" -c '' 2>/dev/null
}

environment_is_current() {
    origin | cmp -s - "$STAMP" && environment_runs
}

# What was looked at and why it will not do, for the message when nothing does.
rejected=""
python_found=""

# accept COMMAND: true, and python_found set, if COMMAND runs (a pyenv shim may
# exist without running), is a supported CPython and can make environments.
accept() {
    local answer
    answer=$("$1" - 2>/dev/null <<'PYTHON'
import platform, sys
version = platform.python_version()
if platform.python_implementation() != "CPython":
    print("no: %s is not CPython" % platform.python_implementation())
elif not (3, 12) <= sys.version_info[:2] < (3, 15):
    print("no: version %s" % version)
elif not getattr(sys, "_is_gil_enabled", lambda: True)():
    print("no: %s is a free-threaded build" % version)
else:
    try:
        import ensurepip, venv
        print(sys.executable)
    except ImportError:
        print("no: %s lacks venv (on Debian and Ubuntu: apt install python%d.%d-venv)"
              % ((version,) + sys.version_info[:2]))
PYTHON
    ) || answer="no: does not run"
    case $answer in
        no:*) rejected+="  $1 -${answer#no:}"$'\n'; return 1 ;;
        "") rejected+="  $1 - does not run"$'\n'; return 1 ;;
        *) python_found=$answer ;;
    esac
}

find_python() {
    local version root candidate
    if [ -n "${BAYESSEM_PYTHON:-}" ]; then
        accept "$BAYESSEM_PYTHON"
        return
    fi
    for version in 3.13 3.12 3.14; do
        if command -v "python$version" >/dev/null && accept "python$version"; then return; fi
    done
    root=${PYENV_ROOT:-$( (pyenv root 2>/dev/null) || echo "$HOME/.pyenv")}
    for version in 3.13 3.12 3.14; do
        for candidate in "$root/versions/$version".[0-9]*/bin/python; do
            if [ -x "$candidate" ] && accept "$candidate"; then return; fi
        done
    done
    if command -v python3 >/dev/null && accept python3; then return; fi
    if command -v uv >/dev/null; then
        # --system: not the .venv that is about to be replaced.
        for version in 3.13 3.12 3.14; do
            candidate=$(uv python find --system "$version" 2>/dev/null) || continue
            if accept "$candidate"; then return; fi
        done
    fi
    return 1
}

explain_missing_python() {
    cat >&2 <<TEXT
bayessem needs CPython 3.12, 3.13 or 3.14 and found none that will do.
Looked at:
${rejected:-  nothing: no python3.12, python3.13, python3.14, python3, pyenv or uv here$'\n'}
Any one of these brings it; then run the same command again:
  uv python install 3.13                        (uv)
  pyenv install 3.13                            (pyenv)
  apt install python3.13 python3.13-venv        (Debian 13; python3.12 on Ubuntu 24.04)
  brew install python@3.13                      (macOS)
or name an interpreter: BAYESSEM_PYTHON=/path/to/python make test
TEXT
}

if environment_is_current; then exit 0; fi

# Two set-ups at once would undo each other's work; where flock exists, queue.
if command -v flock >/dev/null; then
    exec 9<pyproject.toml
    flock 9
    if environment_is_current; then exit 0; fi
fi

if environment_runs && [ "$(head -n 1 "$STAMP")" = "$(pwd -P)" ]; then
    echo "The dependencies changed: bringing $ENVIRONMENT up to date ..." >&2
    rm "$STAMP"
else
    find_python || { explain_missing_python; exit 1; }
    echo "Setting up $ENVIRONMENT with $python_found; the first time takes a few minutes ..." >&2
    # What an interrupted set-up left cannot be told from what is whole.
    rm -rf "$ENVIRONMENT"
    "$python_found" -m venv "$ENVIRONMENT"
fi
# Read before the installation, so that an edit meanwhile is noticed next time.
made_from=$(origin; echo .)
# Errors only: the warnings of a package index are no business of the user's.
"$ENVIRONMENT/bin/python" -m pip install -qq --constraint constraints.txt --editable '.[cluster,dev,docs,files,word]'
printf '%s' "${made_from%.}" >"$STAMP.part"
mv "$STAMP.part" "$STAMP"
# Where nothing can be compiled yet, it has said why, and every run tries again.
"$ENVIRONMENT/bin/python" -m bayessem warm >&2 || true

#!/usr/bin/env python3
"""Checks that every file includes only what the folder table of docs/ARCHITECTURE.md allows its folder.

One line per finding, status 1 when there is any. Own folder, include/detshim and, below shim/, shim/core are always
allowed. The table is the only place where a permission stands.
"""
import re
import subprocess
import sys

PURE = ["core", "policy", "log", "choices", "image", "ptx", "replacements"]


def permissions():
    """Folder -> list of allowed prefixes and glob-like '*.def', in table order."""
    rules = {}
    for line in open("docs/ARCHITECTURE.md"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 3:
            continue
        words = re.sub(r"`[^`]*`", "", cells[2])
        allowed = [p for p in re.findall(r"`([^`]+)`", cells[2]) if "/" in p]
        if ".def" in cells[2]:
            allowed.append("*.def")
            words = words.replace("all  tables", "")
        for word in re.findall(r"[a-z_0-9]+", words):
            if word in ("all", "unit"):
                allowed.append("")
            elif word == "pure":
                allowed += [f"shim/{p}/" for p in PURE] + ["replacements/"]
            elif word == "replacements":
                allowed.append("replacements/")
            else:
                allowed.append(f"shim/{word}/")
        for folder in re.findall(r"`([^`]+)`", cells[0]):
            rules[folder] = allowed
    return rules


def folder_of(path, rules):
    """The longest row that holds the file."""
    held = [f for f in rules if path == f or (f.endswith("/") and path.startswith(f))]
    return max(held, key=len, default=None)


def allowed(path, included, folder, rules):
    if included.startswith("detshim/") or included.startswith(folder):
        return True
    if included.startswith("tests/") or "/" not in included:
        return path.startswith("tests/")
    if path.startswith("shim/") and included.startswith("shim/core/"):
        return True
    return any(included.endswith(".def") if p == "*.def" else included.startswith(p) for p in rules[folder])


def main():
    rules = permissions()
    files = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.cu"], capture_output=True, text=True, check=True).stdout
    bad = 0
    for path in files.split():
        if path.startswith("bench/"):
            continue
        folder = folder_of(path, rules)
        if folder is None:
            print(f"layering: {path}: its folder has no row in docs/ARCHITECTURE.md")
            bad = 1
            continue
        for n, line in enumerate(open(path, errors="replace"), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match and not allowed(path, match[1], folder, rules):
                print(f"layering: {path}:{n}: '{folder}' may not include '{match[1]}'")
                bad = 1
    return bad


sys.exit(main())

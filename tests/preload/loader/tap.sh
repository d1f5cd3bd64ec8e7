# shellcheck shell=bash disable=SC2034
# Sourced by the loader's shell tests: TAP with one line per check.
n_checks=0
check() { # name, command...: ok when the command succeeds; its output is shown when not
    local name=$1 text
    shift
    n_checks=$((n_checks + 1))
    if text=$("$@" 2>&1); then
        echo "ok $n_checks - $name"
    else
        echo "not ok $n_checks - $name"
        printf '%s\n' "$text" | tail -12 | sed 's/^/# /'
    fi
}
skip() { # name, reason
    n_checks=$((n_checks + 1))
    echo "ok $n_checks - $1 # SKIP $2"
}
# gives EXPECTED COMMAND...: the command's standard output must hold this line
gives() {
    local gives_want=$1 gives_got gives_status=0
    shift
    gives_got=$("$@" 2>&1) || gives_status=$?
    grep -qxF -- "$gives_want" <<<"$gives_got" && [ $gives_status = 0 ] && return 0
    printf "status %s, wanted: %s\ngot: %s\n" $gives_status "$gives_want" "$gives_got"
    return 1
}
PROBES='result next=b version=found default=42 runpath=7 error=1'

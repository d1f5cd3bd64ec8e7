# Shared by the command-line tests: TAP, and a stand-in library with the real log but no CUDA (see stand_in.c).
# shellcheck shell=bash disable=SC2034
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
B=${B:-$PWD/build}
detshim=$B/detshim
scratch=$(mktemp -d /tmp/detshim-cli-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp
mkdir -p "$TMPDIR" "$scratch/lib"
for name in DET_SEED LD_PRELOAD "${!DETSHIM_@}"; do unset "$name"; done
gcc -shared -fPIC -I. -Iinclude -o "$scratch/lib/libdetshim.so" tests/cli/stand_in.c "$B/libdetpure.a" \
    -l:liblz4.a -l:libzstd.a || exit 1
number=0
out='' err='' status=0

# try COMMAND...: runs it, fills out, err, status
try() {
    out=$("$@" 2>"$scratch/err" </dev/null)
    status=$?
    err=$(cat "$scratch/err")
}
result() { # result 0|1 NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else
        echo "not ok $number - $2"
        printf '# status %s\n' "$status"
        printf '# out: %s\n' "${out//$'\n'/$'\n'# }"
        printf '# err: %s\n' "${err//$'\n'/$'\n'# }"
    fi
}
is() { # is NAME STATUS [out=TEXT] [err=TEXT] [out~GLOB] [err~GLOB]: all must hold
    local name=$1 good=0
    [ "$status" = "$2" ] || good=1
    shift 2
    for wanted in "$@"; do
        local part=${wanted%%[=~]*} text
        text=${wanted#"$part"}
        local how=${text:0:1} have
        text=${text:1}
        have=${!part}
        if [ "$how" = "=" ]; then [ "$have" = "$text" ] || good=1; else
            # shellcheck disable=SC2053 # a glob on purpose
            [[ $have == $text ]] || good=1
        fi
    done
    result $good "$name"
}
finish() {
    result "$([ -z "$(ls -A "$TMPDIR")" ]; echo $?)" "no scratch file is left behind"
    echo "1..$number"
}

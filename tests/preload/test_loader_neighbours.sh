#!/usr/bin/env bash
# Other libraries in LD_PRELOAD, in both orders, and sanitizers (rows 1 and 11 of notes/interposition.md section 8): every one
# of these looks symbols up before it is ready itself. What apt can bring is brought by the set-up line below.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=$(realpath "${B:-build}")
out=$B/loader
tests/preload/loader/build.sh "$out" "$B/libdetpure.a" "${CUDA_HOME:-/usr/local/cuda}" || exit 1
lib=/usr/lib/x86_64-linux-gnu
for package in libjemalloc2 libtcmalloc-minimal4 libfaketime; do
    dpkg-query -W -f='${db:Status-Status}' $package 2>/dev/null | grep -qx installed || missing+=" $package"
done
if [ -n "${missing:-}" ] && [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } >"$B/neighbours.log" 2>&1
fi
run() { # preload, command...
    local preload=$1
    shift
    (cd "$out" && timeout 60 env LD_LIBRARY_PATH="$out" LD_PRELOAD="$preload" "$@")
}
both_orders() { # name, neighbour
    local shim
    for shim in "$B/libdetshim.so" "$out/libwatch.so"; do
        check "$1 behind $(basename "$shim")" gives "$PROBES" run "$shim:$2" ./hooks
        check "$1 before $(basename "$shim")" gives "$PROBES" run "$2:$shim" ./hooks
    done
    check "$1 behind: routes" gives "result before=12 b=13 a=12 again=13 constructor=13 count=4" run "$out/libwatch.so:$2" ./routes two
    check "$1 before: routes" gives "result before=12 b=13 a=12 again=13 constructor=13 count=4" run "$2:$out/libwatch.so" ./routes two
    check "$1 behind: threads" gives "result missing=0 done=8" run "$B/libdetshim.so:$2" ./threads
    check "$1 before: threads" gives "result missing=0 done=8" run "$2:$B/libdetshim.so" ./threads
}
for row in "jemalloc $lib/libjemalloc.so.2" "tcmalloc $lib/libtcmalloc_minimal.so.4" "libfaketime $lib/faketime/libfaketime.so.1" \
    "libfaketimeMT $lib/faketime/libfaketimeMT.so.1"; do
    # shellcheck disable=SC2086
    set -- $row
    if [ -e "$2" ]; then both_orders "$1" "$2"; else skip "$1" "$2 is not installed"; fi
done
# A neighbour whose own hook calls instead of jumping: behind us scope look-ups must stay right; before us we are bypassed, and
# handles must still work.
check "plain C neighbour behind us" gives "$PROBES" run "$out/libwatch.so:$out/libneighbour.so" ./hooks
check "plain C neighbour before us: handles" gives "result name=13 version=13 count=1" run "$out/libneighbour.so:$out/libwatch.so" ./routes handle

sanitized() { # name, compiler, flags...: probes built with a sanitizer, the shim preloaded
    local name=$1 cc=$2
    shift 2
    "$cc" -w -g -O1 -D_GNU_SOURCE "$@" -o "$out/hooks_$name" tests/preload/loader/probes/hooks.c -Wl,--no-as-needed \
        "$out/libnexta.so" "$out/libnextb.so" -Wl,-rpath,"$out" -ldl -lpthread &&
        "$cc" -w -g -O1 -D_GNU_SOURCE "$@" -o "$out/routes_$name" tests/preload/loader/probes/routes.c -ldl -lpthread
}
either() { # PLAIN COMMAND...: as without the shim, or right
    local plain=$1
    shift
    gives "$plain" "$@" >/dev/null || gives "$PROBES" "$@"
}
options="ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"
for row in "asan_gcc gcc -fsanitize=address" "asan_gcc_static gcc -fsanitize=address -static-libasan" \
    "asan_clang clang-14 -fsanitize=address" "ubsan_gcc gcc -fsanitize=undefined" "tsan_gcc gcc -fsanitize=thread" \
    "tsan_clang clang-14 -fsanitize=thread"; do
    # shellcheck disable=SC2086
    set -- $row
    name=$1
    if ! sanitized "$@" >"$out/sanitized.log" 2>&1; then
        skip "$name" "cannot build: $(tail -1 "$out/sanitized.log")"
        continue
    fi
    # RTLD_NEXT and RTLD_DEFAULT of the sanitizer's own wrappers differ from libc's: compare with the same program unpreloaded.
    plain=$(run "" env $options "./hooks_$name" 2>&1 | grep '^result')
    if [ -z "$plain" ]; then
        skip "$name" "does not run here even without the shim"
        continue
    fi
    # A sanitizer's own dlopen hook may lose the caller's RUNPATH; with us in front of it the answer is right again.
    check "$name: probes" either "$plain" run "" env $options LD_PRELOAD="$B/libdetshim.so" "./hooks_$name"
    check "$name: probes, watch" either "$plain" run "" env $options LD_PRELOAD="$out/libwatch.so" "./hooks_$name"
    check "$name: routes" gives "result before=12 b=13 a=12 again=13 constructor=13 count=4" run "" env $options \
        LD_PRELOAD="$out/libwatch.so" "./routes_$name" two
    check "$name: by handle" gives "result name=13 version=13 count=2" run "" env $options LD_PRELOAD="$out/libwatch.so" \
        "./routes_$name" handle
    runtime=$(gcc -print-file-name=libasan.so)
    if [ "$name" = asan_gcc ] && [ -e "$runtime" ]; then
        check "$name: its runtime first in LD_PRELOAD" gives "$plain" run "" env ASAN_OPTIONS=detect_leaks=0 \
            LD_PRELOAD="$(realpath "$runtime"):$out/libwatch.so" "./hooks_$name"
    fi
done
echo "1..$n_checks"

#!/usr/bin/env bash
# The aarch64 trampolines and thunks, cross-built and run under qemu-aarch64 (Grace and Jetson users exist).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=${B:-build}
cuda=${CUDA_HOME:-/usr/local/cuda}
out=$B/loader_aarch64
if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    skip "aarch64 under qemu" "needs gcc-aarch64-linux-gnu and qemu-user"
    exit 0
fi
build() {
    local file object objects=()
    mkdir -p "$out/pure"
    if [ ! -e "$out/libpure.a" ] || [ -n "$(find shim/core shim/policy shim/log include -newer "$out/libpure.a" -type f | head -1)" ]; then
        rm -f "$out/libpure.a"
        for file in shim/core/*.c shim/policy/*.c shim/log/*.c; do
            object=$out/pure/$(echo "$file" | tr / _).o
            aarch64-linux-gnu-gcc -std=gnu11 -D_GNU_SOURCE -O2 -fPIC -fvisibility=hidden -w -I. -Iinclude \
                -idirafter /usr/include -c "$file" -o "$object" || return 1
            objects+=("$object")
        done
        aarch64-linux-gnu-ar rcs "$out/libpure.a" "${objects[@]}" || return 1
    fi
    CC=aarch64-linux-gnu-gcc LIBS='' tests/preload/loader/build.sh "$out" "$out/libpure.a" "$cuda"
}
run() { # preload or '', command...
    local preload=$1
    shift
    (cd "$out" && timeout 60 qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$PWD" ${preload:+-E LD_PRELOAD="$PWD/$preload"} "$@")
}
check "cross build" build
check "probes without a preload" gives "$PROBES" run "" ./hooks
for library in libwatch.so libwatch_O0.so libwatch_cov.so libwatch_instr.so; do
    check "caller is kept: $library" gives "$PROBES" run $library ./hooks
done
check "linked program" gives "result call=13 pointer=13 count=2" run libwatch.so ./plt
check "by handle" gives "result name=13 version=13 count=2" run libwatch.so ./routes handle
check "extension opened locally" gives "result value=13 count=1 constructor=1" run libwatch.so ./routes local
check "two extensions" gives "result before=12 b=13 a=12 again=13 constructor=13 count=4" run libwatch.so ./routes two
check "two copies by handle (thunks)" gives "result a=12 b=13 again=12 count=3" run libwatch.so ./routes two_handles
check "absent looks absent" gives "result handle=01 default=01 main=01 version=0" run libwatch.so ./routes absent
check "cudnn front and parts" gives "result version=90900 made=2 count=1 nested=0 inner=1" run libwatch.so ./routes cudnn
check "deep binding stripped" gives "result value=13 count=1" env QEMU_SET_ENV=DETSHIM_STRIP_DEEPBIND=1 bash -c \
    "cd $out && qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$out -E LD_PRELOAD=$out/libwatch.so ./routes deepbind"
check "threads" gives "result missing=0 done=8" run libwatch.so ./threads
table() {
    run "" ./table names >"$out/table.plain" 2>/dev/null && run libwatch.so ./table names >"$out/table.watch" 2>/dev/null &&
        cmp "$out/table.plain" "$out/table.watch" && [ "$(wc -l <"$out/table.plain")" -gt 30000 ]
}
check "every driver ABI is the one asked for" table
stack() {
    readelf -lW "$out/libwatch.so" | grep GNU_STACK | grep -vq RWE
}
check "no executable stack" stack
echo "1..$n_checks"

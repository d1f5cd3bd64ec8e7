#!/usr/bin/env bash
# The library as built here under the loaders and libcs of other distributions: glibc 2.27 (Ubuntu 18.04, older than the 2.28 we
# promise; Debian 10 with 2.28 itself is no longer on the mirrors), 2.31, this machine's, 2.41. Packages come by apt into the
# build folder and are only unpacked. The probes are linked against the oldest, so that they run everywhere.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=$(realpath "${B:-build}")
cuda=${CUDA_HOME:-/usr/local/cuda}
fetch() { # version, mirror, suite, packages...: unpack into build/glibc/VERSION/root
    local root=$B/glibc/$1 line="deb [trusted=yes] $2 $3 main" options
    shift 3
    [ -e "$root/done" ] && return 0
    mkdir -p "$root"/{state/lists/partial,cache/archives/partial,debs,root}
    echo "$line" >"$root/sources.list"
    : >"$root/state/status"
    options=(-o "Dir::State=$root/state" -o "Dir::State::status=$root/state/status" -o "Dir::Cache=$root/cache"
        -o "Dir::Etc::sourcelist=$root/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root)
    apt-get -qq "${options[@]}" update || return 1
    (cd "$root/debs" && apt-get -qq "${options[@]}" download "$@") || return 1
    for package in "$root"/debs/*.deb; do dpkg -x "$package" "$root/root" || return 1; done
    rm -rf "$root/root/etc" # ld.so.conf.d is a name make would read as a dependency file
    # Absolute links of the -dev package would lead to this machine's libraries.
    find "$root/root" -type l -lname '/*' | while read -r link; do ln -sf "$root/root$(readlink "$link")" "$link"; done
    touch "$root/done"
}
build() {
    local old=$B/glibc/2.27/root
    ONLY_PROBES=1 CC="gcc --sysroot=$old -B$old/usr/lib/x86_64-linux-gnu -L$old/usr/lib/x86_64-linux-gnu -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu" \
        tests/preload/loader/build.sh "$out" "$B/libdetpure.a" "$cuda"
}
run() { # version, preload, command...
    local root=$B/glibc/$1/root preload=$2
    shift 2
    local libs loader
    if [ -d "$root" ]; then
        libs=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu
        loader=$(find "$root"/lib/x86_64-linux-gnu "$root"/usr/lib/x86_64-linux-gnu -name ld-linux-x86-64.so.2 2>/dev/null | head -1)
    else
        libs=/lib/x86_64-linux-gnu
        loader=/lib64/ld-linux-x86-64.so.2
    fi
    (cd "$out" && timeout 60 env LD_PRELOAD="$preload" "$loader" --library-path "$libs:$out" "$@")
}
out=$B/loader_glibc
tests/preload/loader/build.sh "$B/loader" "$B/libdetpure.a" "$cuda" || exit 1
here=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
if ! fetch 2.27 http://archive.ubuntu.com/ubuntu bionic libc6 libc6-dev >"$B/glibc.log" 2>&1; then
    skip "glibc matrix" "no Ubuntu 18.04 packages reachable to link the probes against"
    exit 0
fi
check "probes linked against glibc 2.27" build
for row in "2.27 -" "2.31 http://deb.debian.org/debian bullseye" "$here -" "2.41 http://deb.debian.org/debian trixie"; do
    # shellcheck disable=SC2086
    set -- $row
    if [ "$2" != - ] && ! fetch "$1" "$2" "$3" libc6 >>"$B/glibc.log" 2>&1; then
        skip "glibc $1" "package not reachable by apt"
        continue
    fi
    for library in "$B/libdetshim.so" "$B/loader/libwatch.so"; do
        check "glibc $1: caller is kept, $(basename "$library")" gives "$PROBES" run "$1" "$library" ./hooks
        check "glibc $1: threads, $(basename "$library")" gives "result missing=0 done=8" run "$1" "$library" ./threads
    done
    w=$B/loader/libwatch.so
    check "glibc $1: without a preload" gives "$PROBES" run "$1" "" ./hooks
    check "glibc $1: linked program" gives "result call=13 pointer=13 count=2" run "$1" "$w" ./plt
    check "glibc $1: by handle" gives "result name=13 version=13 count=2" run "$1" "$w" ./routes handle
    check "glibc $1: absent looks absent" gives "result handle=01 default=01 main=01 version=0" run "$1" "$w" ./routes absent
    check "glibc $1: extension opened locally" gives "result value=13 count=1 constructor=1" run "$1" "$w" ./routes local
    check "glibc $1: two extensions" gives "result before=12 b=13 a=12 again=13 constructor=13 count=4" run "$1" "$w" ./routes two
    check "glibc $1: two copies by handle" gives "result a=12 b=13 again=12 count=3" run "$1" "$w" ./routes two_handles
    check "glibc $1: cudnn front and parts" gives "result version=90900 made=2 count=1 nested=0 inner=1" run "$1" "$w" ./routes cudnn
    check "glibc $1: fork" gives "result bad=0" run "$1" "$w" ./routes forking
    check "glibc $1: closing" gives "result before=13 after=13 count=2" run "$1" "$w" ./routes closing
done
echo "1..$n_checks"

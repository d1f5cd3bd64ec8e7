#!/usr/bin/env bash
# Judges a built libdetshim.so: runs on glibc 2.28, needs libc only, no executable stack, exports exactly what the tables say.
# usage: check_symbols.sh LIB [EXPORTS_MAP]   one line per finding, status 1 when there is any
set -euo pipefail
lib=$1
map=${2:-$(dirname "$lib")/exports.map}
bad=0
say() {
    echo "check_symbols: $*"
    bad=1
}

# Versions sort as numbers: 2.4 is older than 2.28.
while read -r symbol version; do
    newest=$(printf '%s\n%s\n' "$version" 2.28 | sort -V | tail -1)
    [ "$newest" = 2.28 ] || say "undefined symbol '$symbol' needs GLIBC_$version, newer than 2.28"
done < <(nm -D --undefined-only "$lib" | sed -nE 's/^ *[UwWvV] ([^@]+)@GLIBC_([0-9.]+)$/\1 \2/p')
while read -r symbol; do
    say "undefined symbol '$symbol' is private to glibc"
done < <(nm -D --undefined-only "$lib" | sed -nE 's/^ *[UwWvV] ([^@]+)@GLIBC_PRIVATE$/\1/p')
# A strong undefined symbol without a version is nobody's: every process would die at start.
while read -r symbol; do
    say "undefined symbol '$symbol' has no version"
done < <(nm -D --undefined-only "$lib" | sed -nE 's/^ *U ([^@]+)$/\1/p')

while read -r needed; do
    case $needed in
    libc.so.6 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
    *) say "DT_NEEDED '$needed': a preload with another dependency kills processes or costs milliseconds" ;;
    esac
done < <(readelf -dW "$lib" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p')

readelf -lW "$lib" | grep -E 'GNU_STACK' | grep -q RWE && say "asks for an executable stack"
readelf -lW "$lib" | grep -q GNU_STACK || say "no GNU_STACK header"
readelf -dW "$lib" | grep -q TEXTREL && say "has text relocations"
readelf -dW "$lib" | grep -q NODELETE || say "not linked with -z nodelete"
readelf -VW "$lib" | grep -q "Version definition section" && say "has a version node of its own"

declared=$(sed -nE 's/^ +([A-Za-z_0-9]+);$/\1/p' "$map" | LC_ALL=C sort)
exported=$(nm -D --defined-only "$lib" | awk '{ print $3 }' | sed 's/@.*//' | LC_ALL=C sort)
while read -r symbol; do
    [ -n "$symbol" ] && say "declared but not exported: $symbol"
done < <(LC_ALL=C comm -23 <(echo "$declared") <(echo "$exported"))
while read -r symbol; do
    [ -n "$symbol" ] && say "exported but not declared: $symbol"
done < <(LC_ALL=C comm -13 <(echo "$declared") <(echo "$exported"))
exit $bad

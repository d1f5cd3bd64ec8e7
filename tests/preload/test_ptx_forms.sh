#!/usr/bin/env bash
# Every form of float addition in programs/ptx_forms.cu: under three schedule seeds the plain program differs and the preloaded
# one repeats; a compare-and-swap loop gives the bits of the native atomic. Stands on the software GPU.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${B:-$root/build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0
say() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2" && bad=1; fi
}
for seed in 1 2 3; do
    "$root/tests/softgpu/run" --seed $seed -- "$build/preload/ptx_forms" >"$tmp/plain.$seed" 2>/dev/null
    LD_PRELOAD=$build/libdetshim.so DETSHIM_LOG=$tmp/log \
        "$root/tests/softgpu/run" --seed $seed -- "$build/preload/ptx_forms" >"$tmp/exact.$seed" 2>/dev/null
done
hash_of() { awk -v form="$2" '$1 == form && $3 == "ok" { print $2 }' "$tmp/$1"; }
forms=$(awk '{ print $1 }' "$tmp/plain.1")
[ "$(echo "$forms" | wc -l)" = 15 ]
say $? "all forms ran"
for form in $forms; do
    [ "$(hash_of plain.1 "$form")" != "$(hash_of plain.2 "$form")" ] || [ "$(hash_of plain.2 "$form")" != "$(hash_of plain.3 "$form")" ]
    say $? "plain $form differs between schedules"
    one=$(hash_of exact.1 "$form")
    [ -n "$one" ] && [ "$one" = "$(hash_of exact.2 "$form")" ] && [ "$one" = "$(hash_of exact.3 "$form")" ]
    say $? "preloaded $form repeats"
done
for pair in "loop_f32 native_f32" "loop_f64 native_f64" "through_struct native_f32"; do
    # shellcheck disable=SC2086 # two words on purpose
    set -- $pair
    [ "$(hash_of exact.1 "$1")" = "$(hash_of exact.1 "$2")" ]
    say $? "preloaded $1 has the bits of $2"
done
echo "1..$n"
exit $bad

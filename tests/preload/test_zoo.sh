#!/usr/bin/env bash
# The zoo (programs/atomics_zoo.cu) under three schedules, plain and preloaded: class and hazard of every kernel as listed; exact
# kernels differ plain and repeat preloaded, with the bits of an exact sum; every hazard row occurs or says why it cannot.
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
zoo=$build/programs/atomics_zoo
"$zoo" --list >"$tmp/list"
"$build/detshim" ptx --classify --arch=sm_90 "$zoo" >"$tmp/classes"
for seed in 1 2 3; do
    "$root/tests/softgpu/run" --seed $seed -- "$zoo" >"$tmp/plain.$seed" 2>/dev/null
    LD_PRELOAD=$build/libdetshim.so DETSHIM_LOG=$tmp/log \
        "$root/tests/softgpu/run" --seed $seed -- "$zoo" >"$tmp/exact.$seed" 2>/dev/null
done
value() { sed -n "s/^$3 $2=//p" "$tmp/$1"; }
n_differ=0 n_exact=0 n_sums=0
while read -r name class hazard; do
    line=$(grep "\"kernel\":\"$name\"" "$tmp/classes")
    case $line in *"\"class\":\"$class\""*) true ;; *) false ;; esac
    say $? "$name is $class"
    [ "$hazard" = - ] || case $line in *"\"hazard\":\"$hazard\""*) true ;; *) false ;; esac
    say $? "$name shows $hazard"
    one=$(value plain.1 "$name" result)
    [ "$one" = not-run ] && continue
    differs=no same=no
    [ "$one" != "$(value plain.2 "$name" result)" ] || [ "$one" != "$(value plain.3 "$name" result)" ] && differs=yes
    got=$(value exact.1 "$name" result)
    [ -n "$got" ] && [ "$got" = "$(value exact.2 "$name" result)" ] &&
        [ "$got" = "$(value exact.3 "$name" result)" ] && same=yes
    truth=$(value exact.1 "$name" oracle)
    echo "# $name: $class, $hazard, plain differs $differs, preloaded same $same, oracle ${truth:--}"
    if [ "$class" = exact ]; then
        n_exact=$((n_exact + 1))
        [ $differs = yes ] && n_differ=$((n_differ + 1))
        [ $same = yes ]
        say $? "$name repeats when preloaded"
        if [ -n "$truth" ]; then
            [ "$truth" = ok ]
            say $? "$name is the exact sum, rounded once"
            n_sums=$((n_sums + 1))
        fi
    elif [ "$class" = ordered ]; then
        [ $differs = no ] && [ $same = yes ]
        say $? "$name repeats by itself"
    fi
done <"$tmp/list"
[ "$n_differ" -ge $((n_exact - 2)) ] # constants and early exits may add up the same by chance
say $? "without the shim $n_differ of $n_exact exact kernels differ"
[ "$n_sums" -ge 11 ]
say $? "$n_sums kernels were compared with the exact sum"
# Judged at launch, or what the text of a kernel cannot show; each has its test elsewhere.
elsewhere=" fence-kept system-scope unordered-streams graphs alias no-ptx early-exit specials cache-hint external-call opaque
 dynamic-parallelism in-function exit-in-function function-variable work-stealing parameter-space texture-reference
 address-space grid-barrier "
while read -r slug; do
    grep -q "\"hazard\":\"$slug\"" "$tmp/classes" || grep -qw -e "$slug" <<<"$elsewhere"
    say $? "hazard $slug occurs"
done < <(sed -n 's/^DET_PTX_HAZARD([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$root/shim/ptx/hazards.def")
echo "1..$n"
exit $bad

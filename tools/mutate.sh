#!/usr/bin/env bash
# One small patch per protection: apply it to a scratch copy, build, run the test it names, and expect red. A test that stays
# green protects nothing. usage: B=BUILD CUDA_HOME=TOOLKIT mutate.sh [PATCH...]   (default: tests/mutate/*.patch)
# A patch starts with lines `# what it breaks` and `# Run: COMMAND`; the command runs in the copy with B and CUDA_HOME set and
# must succeed without the patch. `test NAME FILTER` in it builds a preload test of that name and runs the filtered part.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
scratch=$(realpath -m "${B:-build}")/mutate
patches=("$@")
[ $# -gt 0 ] || patches=(tests/mutate/*.patch)
for i in "${!patches[@]}"; do patches[i]=$(realpath "${patches[i]}"); done
mkdir -p "$scratch/tree"
# Only changed files are copied, with their times, so that the scratch build stays incremental.
git ls-files -z | tar --null -T - -cf - 2>/dev/null | tar --keep-newer-files -xf - -C "$scratch/tree" 2>/dev/null
git ls-files | while read -r file; do cmp -s "$file" "$scratch/tree/$file" || cp -p "$file" "$scratch/tree/$file"; done
cd "$scratch/tree" || exit 1
# What the checkout has built already is taken over with its times: a mutant then costs one file and a link.
built=$(dirname "$scratch")
export B=build CUDA_HOME=${CUDA_HOME:-/usr/local/cuda} FAST=1
mkdir -p build
for part in setup.mk obj exports.map libdetpure.a libdetshim.so loader; do
    if [ -e "$built/$part" ] && [ ! -e "build/$part" ]; then cp -a "$built/$part" build/; fi
done
test() { # NAME FILTER: in the copy
    make -s B="$B" "$B/libdetshim.so" "$B/tests/preload/$1" >"$B/make.log" 2>&1 || { tail -5 "$B/make.log"; return 99; }
    timeout 300 "$B/tests/preload/$1" --filter="$2" >"$B/test.log" 2>&1 && ! grep -q 'Tested: 0 ' "$B/test.log"
}
export -f test
run() { # the patch's command: 0 green, 1 red, 99 does not build
    local command
    command=$(sed -n 's/^# Run: //p' "$1")
    bash -c "$command" >"$B/run.log" 2>&1
}
caught=0 missed=0
declare -A baseline
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    command=$(sed -n 's/^# Run: //p' "$patch")
    if [ -z "${baseline[$command]:-}" ]; then
        run "$patch"
        baseline[$command]=$?
    fi
    if [ "${baseline[$command]}" != 0 ]; then
        printf '%-28s cannot judge: red without the patch: %s\n' "$name" "$(tail -1 "$B/run.log")"
        missed=$((missed + 1))
        continue
    fi
    if ! patch -p1 -s --no-backup-if-mismatch <"$patch" >"$B/patch.log" 2>&1; then
        printf '%-28s does not apply: %s\n' "$name" "$(tail -1 "$B/patch.log")"
        missed=$((missed + 1))
        git -C "$root" ls-files | while read -r file; do cmp -s "$root/$file" "$file" || cp -p "$root/$file" "$file"; done
        continue
    fi
    run "$patch"
    status=$?
    patch -p1 -s -R --no-backup-if-mismatch <"$patch"
    if [ $status = 99 ]; then
        printf '%-28s does not build: %s\n' "$name" "$(tail -1 "$B/run.log")"
        missed=$((missed + 1))
    elif [ $status = 0 ]; then
        printf '%-28s MISSED: its test stays green\n' "$name"
        missed=$((missed + 1))
    else
        printf '%-28s caught\n' "$name"
        caught=$((caught + 1))
    fi
done
echo "$caught caught, $missed missed"
[ "$missed" = 0 ] && [ "$caught" -gt 0 ]

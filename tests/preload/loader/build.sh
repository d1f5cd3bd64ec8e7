#!/usr/bin/env bash
# Builds what the loader's tests run: the watch library (the product's loader with counting wrappers) in several modes, doubles
# of vendor libraries with the real SONAMEs, and the probes. usage: build.sh OUT_DIR LIBDETPURE_A CUDA_HOME
# ONLY_PROBES=1 leaves the watch library out. Several test programs call it at once: one builds, the others wait.
set -euo pipefail
out=$1 pure=$(realpath "$2") cuda=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/lock"
flock 9
if [ -e "$out/done" ] && [ -z "$(find "$here" "$root"/shim/loader "$pure" -newer "$out/done" -type f | head -1)" ]; then exit 0; fi
rm -f "$out/done" "$out"/*.gcda
mkdir -p "$out"/{watch,alias,wsl,hide,gen}
cc="${CC:-gcc} -w -g -fPIC -D_GNU_SOURCE"

# --- the watch library: every exported driver function but the two that getproc.c defines
sed -nE 's/^DET_DRIVER_FN\(.*, "(cu[A-Za-z0-9_]+)"\)$/\1/p' "$root/shim/loader/driver_versions.def" | LC_ALL=C sort -u |
    grep -vxE 'cuGetProcAddress(_v2)?' | sed 's/.*/DET_CALL(&, 0, COUNT)/' >"$out/gen/watch_driver.new"
cmp -s "$out/gen/watch_driver.new" "$out/gen/watch_driver.def" || mv "$out/gen/watch_driver.new" "$out/gen/watch_driver.def"
sed -nE 's/^DET_DRIVER_FN\("(cu[A-Za-z0-9]+)",.*/\1/p' "$root/shim/loader/driver_versions.def" | LC_ALL=C sort -u >"$out/names"
printf '%s\n' 'cuNotThere' '' 'cuMemAlloc_v2' >>"$out/names"
echo '{ global: dlsym; dlvsym; dlopen; cu*; nccl*; nvrtc*; nvJitLink*; __cuda*; watch_*; local: *; };' >"$out/gen/watch.map"
watch() { # name, flags
    local name=$1 wrappers=$here/watch/watch.c
    shift
    if [ -n "${FAST:-}" ]; then # seven hundred wrappers take the compiler longest
        wrappers=$out/gen/watch.o
        if [ ! -e "$wrappers" ] || [ -n "$(find "$here/watch" "$out"/gen/watch_driver.def "$root"/shim/loader/*.h -newer "$wrappers" | head -1)" ]; then
            # shellcheck disable=SC2086
            $cc -std=gnu11 -fvisibility=hidden -ftls-model=initial-exec -fexceptions -O1 -I"$here/watch" -I"$out/gen" -I"$root" \
                -I"$root/include" -c -o "$wrappers" "$here/watch/watch.c"
        fi
    fi
    # shellcheck disable=SC2086
    $cc -std=gnu11 -fvisibility=hidden -ftls-model=initial-exec -fexceptions -O2 -fno-builtin \
        -fno-tree-loop-distribute-patterns -I"$here/watch" -I"$out/gen" -I"$root" -I"$root/include" -isystem "$cuda/include" "$@" \
        -shared -Wl,-Bsymbolic-functions,-z,defs,-z,now,-z,nodelete -Wl,--version-script="$out/gen/watch.map" -o "$out/$name.new" \
        "$wrappers" "$root"/shim/loader/*.c "$root"/shim/loader/*.S "$pure" ${LIBS--l:liblz4.a -l:libzstd.a}
    mv "$out/$name.new" "$out/$name"
}
if [ -n "${FAST:-}" ]; then # one build stands for all: for mutants
    watch libwatch.so
    for name in O0 cov instr; do cp "$out/libwatch.so" "$out/libwatch_$name.so"; done
elif [ -z "${ONLY_PROBES:-}" ]; then
    watch libwatch.so -fno-stack-protector &
    watch libwatch_O0.so -O0 -fstack-protector-all &
    wait -n
    watch libwatch_cov.so --coverage &
    wait -n
    watch libwatch_instr.so -finstrument-functions -fno-optimize-sibling-calls &
fi

# --- doubles and probes: not built again when only the shim changed
if [ -e "$out/doubles" ] && [ -z "$(find "$here" -newer "$out/doubles" -type f | head -1)" ]; then
    wait
    touch "$out/done"
    exit 0
fi
lib() { # file, source, flags
    local file=$1 source=$2
    shift 2
    # shellcheck disable=SC2086
    $cc -O1 -shared -o "$out/$file" "$here/libs/$source.c" "$@"
}
node() { # a version node equal to the SONAME, as NVIDIA's libraries have
    echo "$1 { global: *; };" >"$out/gen/$1.map"
    echo "-Wl,-soname,$1,-Bsymbolic,--version-script=$out/gen/$1.map"
}
lib libnextb.so nextb
lib libnexta.so nexta
lib libdep.so dep
lib liblocal.so local -L"$out" -ldep -Wl,-rpath,"\$ORIGIN"
lib hide/libhidden.so hidden
lib librunpath.so runpath -Wl,-rpath,"\$ORIGIN/hide",--enable-new-dtags
for generation in 12 13; do
    lib libcublas.so.$generation cublas -DGENERATION=$generation "$(node libcublas.so.$generation)"
    lib libext$generation.so extension "$out/libcublas.so.$generation" -Wl,-rpath,"\$ORIGIN"
done
lib libtfstub.so stub
lib libcudnn_graph.so.9 cudnn_graph "$(node libcudnn_graph.so.9)"
lib libcudnn_ops.so.9 cudnn_ops -Wl,-soname,libcudnn_ops.so.9 -L"$out" -l:libcudnn_graph.so.9 -Wl,-rpath,"\$ORIGIN"
lib libcudnn.so.9 cudnn_front "$(node libcudnn.so.9)" -Wl,-rpath,"\$ORIGIN"
lib wsl/libcuda.so.1.1 wsl_part "$(node libcuda.so.1.1)"
lib wsl/libcuda.so.1 wsl_front "$(node libcuda.so.1)" -Wl,-rpath,"\$ORIGIN"
lib libneighbour.so neighbour
lib libgetenv_counter.so getenv_counter
python3 "$here/fake_driver.py" "$cuda" --aliases >"$out/gen/fake_alias.c"
python3 "$here/fake_driver.py" "$cuda" >"$out/gen/fake.c"
for kind in fake:libcuda.so.1 fake_alias:alias/libcuda.so.1; do
    # shellcheck disable=SC2046
    $cc -O1 -shared -o "$out/${kind#*:}" "$out/gen/${kind%%:*}.c" $(node libcuda.so.1)
done

# --- probes
for probe in "$here"/probes/*.c; do
    name=$(basename "$probe" .c)
    libs=()
    case $name in
    hooks) libs=("$out/libnexta.so" "$out/libnextb.so") ;;
    plt) libs=("$out/libcublas.so.13") ;;
    esac
    # shellcheck disable=SC2086
    $cc -fno-pic -no-pie -O1 -o "$out/$name" "$probe" -Wl,--no-as-needed "${libs[@]}" -Wl,-rpath,"\$ORIGIN" -ldl -lpthread
done
wait
touch "$out/doubles" "$out/done"

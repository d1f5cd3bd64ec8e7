# Shared by the tests of diff and report: logs written by hand, and by the real library on the software GPU.
# shellcheck shell=bash disable=SC2154

# head RANK WORLD LEVEL EXE: the first two records
head_of() {
    printf '{"v":1,"t":"run","tool":"detshim 0.1.0","time":"t","host":"h","pid":%d,"ppid":1,"rank":%d,"local_rank":0,"world":%d,"job":"","exe":"%s","log":"l"}\n' $((100 + $1)) "$1" "$2" "$4"
    printf '{"v":1,"t":"env","seed":7,"level":"%s","strict":0,"entropy":"ml","skip":"","rules":"","trace":"digests"}\n' "$3"
}
# copy THREAD N DIGEST [BYTES] [LAUNCHES]
copy() {
    printf '{"v":1,"t":"copy","thread":%d,"n":%d,"stream":"legacy","call":"cuMemcpyDtoH_v2","bytes":%d,"digest":"%016x","why":null,"after":"step","launches":%d}\n' "$1" "$2" "${4:-32}" "$3" "${5:-$(($2 * 10))}"
}
kernel() { printf '{"v":1,"t":"kernel","name":"%s","class":"%s","rule":null,"why":"%s"}\n' "$@"; }
total() { printf '{"v":1,"t":"total","of":"kernel","name":"%s","class":"%s","rule":null,"why":"%s","n":%d}\n' "$@"; }
tail_of() {
    echo '{"v":1,"t":"sum","exact":0,"ordered":0,"pinned":0,"vouched":0,"unknown":0,"uncovered":0,"overrides":0,"conflicts":0,"promise":"run_to_run","complete":true}'
    printf '{"v":1,"t":"cost","wall_ms":%d,"end":"exit"}\n' "$RANDOM"
}
# real FILE SEED LEVEL WAY
real() {
    rm -f "$1"
    env LD_PRELOAD="$B/libdetshim.so" LD_LIBRARY_PATH="$B/softgpu" DETSHIM_CACHE=off DETSHIM_LOG="$1" DETSHIM_TRACE=digests \
        DETSHIM_LEVEL="$3" SOFTGPU_SEED="$2" "$B/preload/cuda_copies" "$4" >/dev/null 2>&1
}

# Part of the Makefile: fuzzing, benches, the real card.

# --- fuzzing: one libFuzzer program per tests/fuzz/fuzz_*.c, over the pure sources
fuzz_programs := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_objs := $(patsubst $(B)/obj/%,$(B)/fuzz/obj/%,$(pure_objs))
FUZZ_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
$(B)/fuzz/obj/%.o: % $(defs) $(B)/setup.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c $< -o $@
$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(fuzz_objs)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(fuzz_objs) $(SHIM_LIBS) -lm
fuzz: $(fuzz_programs) $(images) ## every parser for FUZZ_SECONDS=60 with libFuzzer and ASan; a finding fails
	@tools/fuzz.sh $(B) $(fuzz_programs)

# --- benches: bench/bench_*.c, one JSON object per line
bench_programs := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/bench_*.c))
$(B)/bench/bench_%: bench/bench_%.c bench/bench.h $(B)/libdetpure.a
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(TEST_CFLAGS) -O2 -o $@ $< $(SUPPORT_$(@F)) $(B)/libdetpure.a $(SHIM_LIBS) -lpthread -lm -ldl
SUPPORT_bench_exact_ptx := tests/support/acc_kernel.c tests/support/acc_table.c $(call soft_objs,ptx exec)
$(B)/bench/bench_exact_ptx: $(call soft_objs,ptx exec)
bench: $(bench_deps) $(bench_programs) $(images) ## every bench against its control; table, JSON in B/bench
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/bench.sh $(bench_programs)

test-gpu: all programs ## the training programs on a real card, five runs each; skips with a reason without one
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/test_gpu.sh

mutate: all $(B)/libdetpure.a ## one small patch per protection must turn its test red
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/mutate.sh

# Machine code and PTX of the same architectures: PTX of another one says nothing about the code that runs.
gpu_archs := $(foreach a,80 86 89 90 100 120,-gencode 'arch=compute_$(a),code=[sm_$(a),compute_$(a)]')
$(B)/bench/bench_gpu_atomics: bench/bench_gpu_atomics.cu $(B)/setup.mk
	$(call say,NVCC,$<)
	$(Q)mkdir -p $(@D) && $(NVCC) -O2 -std=c++17 -Wno-deprecated-gpu-targets -cudart shared $(gpu_archs) -o $@ $<
bench-gpu: all $(B)/bench/bench_gpu_atomics ## float atomics on a card, plain and preloaded; says why when there is none
	@LD_LIBRARY_PATH=$(CUDA_HOME)/lib64$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH} bench/gpu.sh $(B) | tee $(B)/bench/gpu_atomics.jsonl
.PHONY: fuzz bench bench-gpu test-gpu mutate

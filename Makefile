# detshim: one non-recursive file. Sources are found by wildcard: a file is added by creating it.
# Settings may stand in config.mk; V=1 shows commands; B=DIR builds elsewhere.

B ?= build
-include config.mk
.DEFAULT_GOAL := all
no_setup := clean help format format-check
ifneq ($(filter-out $(no_setup),$(or $(MAKECMDGOALS),all)),)
include $(B)/setup.mk
endif
$(B)/setup.mk: tools/setup.sh
	@tools/setup.sh $@

V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-8s %s\n' $(1) $(2))
ifeq ($(origin CC),default)
CC := gcc
endif
NVCC = $(CUDA_HOME)/bin/nvcc
CLANG := clang-14
PREFIX ?= /usr/local

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CPPFLAGS = -I. -Iinclude -isystem $(CUDA_HOME)/include -MMD -MP
CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g $(WARN)
SHIM_CFLAGS := $(CFLAGS) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fexceptions -U_FORTIFY_SOURCE $(EXTRA)
# Sorted by alignment, the small variables of all files share pages: a process start touches a third fewer.
# No start files: their .init, .fini and clean-up of C++ objects we do not have cost every process four pages.
SHIM_LDFLAGS := -shared -nostartfiles -Wl,-Bsymbolic-functions -Wl,-z,defs,-z,now,-z,relro,-z,nodelete,-z,noexecstack -Wl,--exclude-libs,ALL \
  -Wl,--version-script=$(B)/exports.map -Wl,--gc-sections,--sort-section=alignment
SHIM_LIBS := -l:liblz4.a -l:libzstd.a

# Folders without CUDA calls: linked into unit tests, fuzz targets and the command line as an archive.
pure_dirs := shim/core shim/policy shim/log shim/choices shim/image shim/ptx replacements
wrapper_dirs := $(filter-out $(pure_dirs) shim/,$(patsubst %/,%,$(wildcard shim/*/)))
objs = $(patsubst %,$(B)/obj/%.o,$(wildcard $(addsuffix /*.c,$(1)) $(addsuffix /*.S,$(1))))
pure_objs := $(call objs,$(pure_dirs) replacements/reference) $(patsubst %,$(B)/obj/shim/entropy/%.c.o,stream path)
lib_objs := $(sort $(pure_objs) $(call objs,$(wrapper_dirs)) $(B)/obj/shim/shim.c.o)
cli_objs := $(call objs,cli)
defs := $(wildcard shim/*/*.def include/detshim/*.def)

all: $(B)/libdetshim.so $(B)/detshim ## the library and the command line
# Runs before sanitizers and allocators are ready: the compiler must not turn its loops into calls of libc.
$(B)/obj/shim/loader/%: SHIM_CFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector
$(B)/obj/%.c.o: %.c $(defs) $(B)/setup.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_CFLAGS) -c $< -o $@
$(B)/obj/%.S.o: %.S $(wildcard replacements/*.ptx shim/*/*.py) $(B)/setup.mk
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -c $< -o $@
$(B)/exports.map: tools/exports.sh $(defs)
	$(Q)mkdir -p $(@D) && tools/exports.sh >$@
$(B)/libdetshim.so: $(lib_objs) $(B)/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(SHIM_LDFLAGS) $(EXTRA) -o $@ $(lib_objs) $(SHIM_LIBS)
$(B)/libdetpure.a: $(pure_objs)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/detshim: $(cli_objs) $(B)/libdetpure.a
	$(call say,LINK,$@)
	$(Q)$(CC) -static $(EXTRA) -o $@ $(cli_objs) $(B)/libdetpure.a $(SHIM_LIBS)
	$(Q)ln -sf detshim $(B)/detshim-ptxas && ln -sf detshim $(B)/detshim-ptxas-blackwell

# --- test bench: software GPU, training programs, small preload programs
soft := $(B)/softgpu
soft_objs = $(patsubst %,$(B)/soft/%.o,$(wildcard $(addprefix tests/softgpu/,$(addsuffix _*.c,$(1)))))
SOFT_CFLAGS := $(CFLAGS) -fPIC -fvisibility=hidden -ffp-contract=off -mfma -mf16c -mavx2
$(B)/soft/%.c.o: %.c $(B)/setup.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(SOFT_CFLAGS) -c $< -o $@
$(B)/soft/entries.inc: tests/softgpu/entries.py $(wildcard tests/softgpu/driver_*.c) $(B)/setup.mk
	$(Q)mkdir -p $(@D) && python3 $< $(CUDA_HOME) $(wildcard tests/softgpu/driver_*.c) >$@.new && mv $@.new $@
$(B)/soft/tests/softgpu/driver_entry.c.o: $(B)/soft/entries.inc
$(B)/soft/tests/softgpu/driver_entry.c.o: CPPFLAGS += -I$(B)/soft
$(soft)/libcuda.so.1: $(call soft_objs,driver ptx exec) $(B)/soft/driver.map
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared -Wl,-soname,libcuda.so.1 -Wl,-Bsymbolic -Wl,-z,defs -Wl,--version-script=$(B)/soft/driver.map \
	  -o $@ $(filter %.o,$^) $(SHIM_LIBS) -lpthread -lm
$(B)/soft/driver.map: tests/softgpu/driver.map
	$(Q)mkdir -p $(@D) && cp $< $@
$(soft)/libcudart.so.13: $(call soft_objs,runtime) tests/softgpu/runtime.map
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared -Wl,-soname,libcudart.so.13 -Wl,-Bsymbolic -Wl,-z,defs -Wl,--version-script=tests/softgpu/runtime.map \
	  -o $@ $(filter %.o,$^) -lpthread
softgpu: $(soft)/libcuda.so.1 $(soft)/libcudart.so.13

# Small programs for the bench's own tests; images_% is one program under each way nvcc packs code.
soft_nvcc := $(NVCC) -std=c++17 -Wno-deprecated-gpu-targets -cudart shared
IMAGE_none := -arch=sm_90 -compress-mode=none
IMAGE_plain := -arch=sm_90 -no-compress
IMAGE_speed := -arch=sm_90 -compress-mode=speed
IMAGE_size := -arch=sm_90 -compress-mode=size
IMAGE_balance := -arch=sm_90 -compress-mode=balance
IMAGE_major := -arch=all-major
IMAGE_arch_a := -arch=sm_90a
IMAGE_other := -gencode arch=compute_90,code=sm_90 -gencode arch=compute_80,code=compute_80
IMAGE_sass := -gencode arch=compute_90,code=sm_90
IMAGE_rdc := -arch=sm_90 -rdc=true
images := none plain speed size balance major arch_a other sass rdc
soft_programs := $(addprefix $(B)/softgpu/programs/,$(basename $(notdir $(wildcard tests/softgpu/programs/*.c*))) \
  $(addprefix images_,$(images)))
FLAGS_soft_per_thread := --default-stream per-thread
$(B)/softgpu/programs/images_%: tests/softgpu/programs/atomic_sum.cu $(B)/setup.mk
	$(call say,NVCC,$@)
	$(Q)mkdir -p $(@D) && $(soft_nvcc) $(IMAGE_$*) -o $@ $<
$(B)/softgpu/programs/%: tests/softgpu/programs/%.cu $(B)/setup.mk
	$(call say,NVCC,$<)
	$(Q)mkdir -p $(@D) && $(soft_nvcc) -arch=sm_90 $(FLAGS_soft_$*) -o $@ $<
$(B)/softgpu/programs/%: tests/softgpu/programs/%.c $(B)/setup.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -O1 -g -I$(CUDA_HOME)/include -o $@ $< -L$(CUDA_HOME)/lib -l:libnvrtc.so.13 \
	  -Wl,-rpath,$(CUDA_HOME)/lib -ldl

# One double per file tests/doubles/double_NAME.c: real SONAME and version node, linked symbolically as the real ones are.
SONAME_cublas := libcublas.so.13
SONAME_cublaslt := libcublasLt.so.13
SONAME_cudnn := libcudnn.so.9
SONAME_cusparse := libcusparse.so.12
SONAME_cusolver := libcusolver.so.12
SONAME_curand := libcurand.so.10
SONAME_nccl := libnccl.so.2
SONAME_cusparselt := libcusparseLt.so.0
SONAME_cutensor := libcutensor.so.2
SONAME_torch := libtorch_cpu.so
SONAME_c10 := libc10.so
double_names := $(patsubst tests/doubles/double_%.c,%,$(wildcard tests/doubles/double_*.c))
doubles := $(foreach n,$(double_names),$(B)/doubles/$(SONAME_$(n)))
define double_rule
$(B)/doubles/$(SONAME_$(1)): $(wildcard tests/doubles/double_$(1).c tests/doubles/$(1)_*.c) tests/doubles/double.c tests/doubles/double.h $(B)/setup.mk
	$$(call say,DOUBLE,$$@)
	@mkdir -p $$(@D) && printf '%s { global: *; };\n' $(SONAME_$(1)) >$$@.map
	$$(Q)$(CC) -std=gnu11 -O2 -g -Wall -Wextra -fPIC -fvisibility=hidden -ffp-contract=off -I. -isystem $(CUDA_HOME)/include -shared \
	  -Wl,-Bsymbolic -Wl,-soname,$(SONAME_$(1)) -Wl,-z,defs $$(if $$(filter nccl cusparselt torch c10,$(1)),,-Wl$$(,)--version-script=$$@.map) -o $$@ $$(filter %.c,$$^) -ldl -lpthread -lm
endef
, := ,
$(foreach n,$(double_names),$(eval $(call double_rule,$(n))))

NVCC_FLAGS := -O2 -std=c++17 -arch=sm_90 -Wno-deprecated-gpu-targets
programs := $(patsubst tests/programs/%.cu,$(B)/programs/%,$(wildcard tests/programs/*.cu)) \
  $(patsubst tests/programs/%.c,$(B)/programs/%,$(wildcard tests/programs/*.c)) $(B)/programs/digits_mlp_static
$(B)/programs/%: tests/programs/%.cu $(wildcard tests/programs/*.h) $(B)/setup.mk
	$(call say,NVCC,$<)
	$(Q)mkdir -p $(@D) && $(NVCC) $(NVCC_FLAGS) -cudart shared $(FLAGS_$*) -o $@ $< $(LIBS_$*)
$(B)/programs/digits_mlp_static: tests/programs/digits_mlp.cu $(wildcard tests/programs/*.h) $(B)/setup.mk
	$(call say,NVCC,$@)
	$(Q)mkdir -p $(@D) && $(NVCC) $(NVCC_FLAGS) $(FLAGS_digits_mlp) -o $@ $<
$(B)/programs/%: tests/programs/%.c $(wildcard tests/programs/*.h) $(B)/setup.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -O2 -g -std=gnu11 -Wall -I$(CUDA_HOME)/include $(FLAGS_$*) -o $@ $< -L$(CUDA_HOME)/lib -lm -ldl $(LIBS_$*)
FLAGS_digits_mlp := -DDIGITS_ROOT='"$(CURDIR)"'
# The zoo runs the kernels of the classifier's tests.
$(B)/programs/atomics_zoo: $(wildcard tests/unit/ptx/kernels/*.cu)
FLAGS_atomics_zoo := -I. -diag-suppress 550
FLAGS_digits_nvrtc := $(FLAGS_digits_mlp)
FLAGS_digits_cnn := $(FLAGS_digits_mlp)
LIBS_digits_cnn = -L$(CUDA_HOME)/lib -lcudnn -lcublas
LIBS_digits_nvrtc = -l:libnvrtc.so.13 -Wl,-rpath,$(CUDA_HOME)/lib
programs: $(programs)

# --- tests: unit (pure code), then everything that starts children under the preload
TEST_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -DBUILD='"$(abspath $(B))"' -DROOT='"$(CURDIR)"'
unit_srcs := $(wildcard tests/unit/*/test_*.c)
unit_tests := $(foreach s,$(unit_srcs),$(B)/tests/$(subst /,_,$(patsubst tests/unit/%.c,%,$(s))))
child_tests := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/preload/test_*.c tests/softgpu/test_*.c tests/cli/test_*.c tests/gpu/test_*.c))
script_tests := $(wildcard tests/preload/test_*.sh tests/cli/test_*.sh tests/softgpu/test_*.sh)
preload_programs := $(patsubst tests/preload/programs/%.c,$(B)/preload/%,$(wildcard tests/preload/programs/*.c)) \
  $(patsubst tests/preload/programs/%.cu,$(B)/preload/%,$(wildcard tests/preload/programs/*.cu)) \
  $(patsubst tests/preload/programs/%.cpp,$(B)/preload/%,$(wildcard tests/preload/programs/*.cpp))
define unit_rule
$(B)/tests/$(subst /,_,$(patsubst tests/unit/%.c,%,$(1))): $(1) $(B)/libdetpure.a
	$$(call say,TEST,$(1))
	@mkdir -p $$(@D)
	$$(Q)$(CC) $$(CPPFLAGS) $(TEST_CFLAGS) -o $$@ $$< $$(SUPPORT_$(word 3,$(subst /, ,$(1)))) $$(SOFT_$$(@F)) $(B)/libdetpure.a $(SHIM_LIBS) -lcriterion -lmpfr -lgmp -lm
endef
SUPPORT_replacements := $(addprefix tests/support/,oracle.c families.c acc_table.c acc_kernel.c)
SOFT_replacements_test_device := $(call soft_objs,ptx exec)
SOFT_replacements_test_shared := $(SOFT_replacements_test_device)
$(B)/tests/replacements_test_device $(B)/tests/replacements_test_shared: $(SOFT_replacements_test_device)
$(foreach s,$(unit_srcs),$(eval $(call unit_rule,$(s))))
# the interpreter's own tests: linked with it, given PTX of three architectures
kernel_ptx := $(foreach a,75 90 100,$(patsubst tests/softgpu/kernels/%.cu,$(B)/softgpu/kernels/%.sm_$(a).ptx,$(wildcard tests/softgpu/kernels/*.cu)))
define kernel_rule
$(B)/softgpu/kernels/%.sm_$(1).ptx: tests/softgpu/kernels/%.cu $(B)/setup.mk
	@mkdir -p $$(@D)
	$$(Q)$$(NVCC) -O2 -std=c++17 -Wno-deprecated-gpu-targets -arch=sm_$(1) -ptx -o $$@ $$<
endef
$(foreach a,75 90 100,$(eval $(call kernel_rule,$(a))))
$(B)/tests/softgpu/test_exec: tests/softgpu/test_exec.c $(call soft_objs,ptx exec) $(kernel_ptx)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(TEST_CFLAGS) -o $@ $< $(call soft_objs,ptx exec) -lcriterion -lmpfr -lgmp -lm
$(B)/tests/%: tests/%.c $(wildcard tests/support/*.c tests/support/*.h) $(B)/libdetpure.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(TEST_CFLAGS) -o $@ $< $(wildcard tests/support/*.c) $(B)/libdetpure.a $(SHIM_LIBS) -lcriterion -lmpfr -lgmp -lm -ldl
LIBS_vendor = -L$(CUDA_HOME)/lib -Wl,-rpath-link,$(CUDA_HOME)/lib -Wl,--allow-shlib-undefined
LIBS_preload_use_cublas = $(LIBS_vendor) -l:libcublas.so.13
LIBS_preload_use_cublaslt = $(LIBS_vendor) -l:libcublasLt.so.13
LIBS_preload_real_lt = $(LIBS_vendor) -l:libcublasLt.so.13
LIBS_preload_use_curand = $(LIBS_vendor) -l:libcurand.so.10
LIBS_preload_use_cusolver = $(LIBS_vendor) -l:libcusolver.so.12
LIBS_preload_use_tuners = -L$(B)/doubles -l:libcusparseLt.so.0 -l:libcutensor.so.2
$(B)/preload/use_tuners: | $(B)/doubles/libcusparseLt.so.0 $(B)/doubles/libcutensor.so.2
LIBS_preload_use_nccl = $(LIBS_vendor) -l:libnccl.so.2
$(B)/preload/%: tests/preload/programs/%.c $(B)/setup.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -I. -I$(CUDA_HOME)/include -o $@ $< -ldl -lpthread -lm $(LIBS_preload_$*)
$(B)/preload/%: tests/preload/programs/%.cpp $(B)/setup.mk
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=gnu++17 -O1 -g -o $@ $<
LIBS_preload_torch_calls = -Wl,--no-as-needed $(B)/doubles/libtorch_cpu.so $(B)/doubles/libc10.so
$(B)/preload/torch_calls: $(B)/doubles/libtorch_cpu.so $(B)/doubles/libc10.so
FLAGS_preload_symbols = -default-stream per-thread
# Its PTX is of another architecture than its machine code.
$(B)/preload/cross_arch: NVCC_FLAGS = -O2 -gencode arch=compute_80,code=compute_80 -gencode arch=compute_90,code=sm_90
$(B)/preload/%: tests/preload/programs/%.cu $(B)/setup.mk
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(NVCC_FLAGS) -cudart shared $(FLAGS_preload_$*) -o $@ $<
# Libraries with a wrong fold, for tests alone: one truncates where it should round to nearest, one writes without a swap.
WRONG_truncates := s/@%p add.s64 %new, %new, 1;/@%p add.s64 %new, %new, 0;/
WRONG_careless := s/atom.global.sys.cas.b32 %found32, .%whole., %old32, %new32;/st.global.u32 [%whole], %new32; mov.b32 %found32, %old32;/
$(B)/wrong_fold/%/fold.ptx: replacements/fold.ptx Makefile
	$(Q)mkdir -p $(@D) && sed '$(WRONG_$*)' $< >$@ && ! cmp -s $< $@
$(B)/wrong_fold/%/embed.o: replacements/embed.S $(B)/wrong_fold/%/fold.ptx
	$(Q)$(CC) $(CPPFLAGS) -DDET_FOLD_PTX='"$(@D)/fold.ptx"' -c $< -o $@
$(B)/wrong_fold/%/libdetshim.so: $(lib_objs) $(B)/wrong_fold/%/embed.o $(B)/exports.map
	$(Q)$(CC) $(SHIM_LDFLAGS) $(EXTRA) -o $@ $(filter-out $(B)/obj/replacements/embed.S.o $(B)/exports.map,$^) $(SHIM_LIBS)
$(B)/tests/preload/test_cross_check: | $(B)/wrong_fold/truncates/libdetshim.so
$(B)/tests/preload/test_cuda_graphs: | $(B)/wrong_fold/careless/libdetshim.so
# Images of every form nvcc writes: inputs of the image tests, seeds of the fuzz targets.
LIBS_preload_cudnn_sweep = -L$(CUDA_HOME)/lib -l:libcudnn.so.9 -Wl,-rpath-link,$(CUDA_HOME)/lib
LIBS_preload_dnn_calls = -L$(B)/softgpu -l:libcudart.so.13 -L$(B)/doubles -l:libcudnn.so.9
LIBS_preload_graph_calls = $(LIBS_preload_dnn_calls)
$(B)/preload/dnn_calls $(B)/preload/graph_calls: | $(soft)/libcudart.so.13 $(B)/doubles/libcudnn.so.9
LIBS_preload_sparse_calls = -L$(B)/softgpu -l:libcudart.so.13 -L$(B)/doubles -l:libcusparse.so.12
$(B)/preload/sparse_calls: | $(soft)/libcudart.so.13 $(B)/doubles/libcusparse.so.12
images := $(B)/images/.made
$(images): tools/make_images.sh $(B)/setup.mk
	$(call say,NVCC,$(B)/images)
	$(Q)tools/make_images.sh $(CUDA_HOME) $(@D) && touch $@
$(filter $(B)/tests/image_%,$(unit_tests)): | $(images)
$(B)/tests/preload/test_broken_inputs: | $(images)
unit: $(unit_tests) ## unit tests only; M=ptx picks one module
	@tools/run_tests.sh $(B)/tap $(filter $(B)/tests/$(M)%,$(unit_tests))
bench_deps := all softgpu $(doubles) $(soft_programs) programs $(preload_programs)
test: $(bench_deps) $(unit_tests) $(child_tests) ## everything that needs no GPU; ends with `N passed, N failed, N skipped`
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/run_tests.sh $(B)/tap $(unit_tests) $(child_tests) $(script_tests)
one: $(bench_deps) $(filter %/$(T),$(unit_tests) $(child_tests)) ## one test program: make one T=test_x
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/run_tests.sh $(B)/tap $(filter %/$(T) %/$(T).sh,$(unit_tests) $(child_tests) $(script_tests))
demo: all softgpu $(doubles) programs ## an unmodified training program: plain runs differ, preloaded runs match
	@B=$(abspath $(B)) CUDA_HOME=$(CUDA_HOME) tools/demo.sh

-include tools/more.mk
test-frameworks: $(B)/libdetshim.so ## real Keras, PyTorch, NumPy, JAX on the CPU, in venvs below the build folder; M=tf picks one
	@python3 tests/frameworks/run.py $(B) $(M)
lint: all ## layering, export list, undefined symbols, one row per wrapped call
	@B=$(B) tools/lint.sh
format: ## clang-format over the tree
	$(Q)git ls-files '*.c' '*.h' '*.cu' | xargs clang-format -i
format-check:
	$(Q)git ls-files '*.c' '*.h' '*.cu' | xargs clang-format --dry-run -Werror
install: all ## PREFIX, DESTDIR
	$(Q)install -Dm755 $(B)/libdetshim.so $(DESTDIR)$(PREFIX)/lib/libdetshim.so
	$(Q)install -Dm755 $(B)/detshim $(DESTDIR)$(PREFIX)/bin/detshim
	$(Q)ln -sf detshim $(DESTDIR)$(PREFIX)/bin/detshim-ptxas && ln -sf detshim $(DESTDIR)$(PREFIX)/bin/detshim-ptxas-blackwell
	$(Q)if command -v scdoc >/dev/null; then mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1 && \
	  scdoc <docs/detshim.1.scd >$(DESTDIR)$(PREFIX)/share/man/man1/detshim.1; else echo "install: no scdoc, no manual page"; fi
clean:
	$(Q)rm -rf $(B)
help: ## this text
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 18
.PHONY: all softgpu programs unit test test-frameworks one demo lint format format-check install clean help
.SECONDARY:
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

/* A matmul problem as text: the key of a recorded choice. */
#ifndef DET_CUBLASLT_PROBLEM_H
#define DET_CUBLASLT_PROBLEM_H

#include <cublasLt.h>

#include "shim/core/bytes.h"

/** What both a heuristic query and a matmul know. */
struct det_cublaslt_problem {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c, d;
};
/** Operation, layouts, types and epilogue; without library, device and workspace. Reads through the library's own getters. */
void det_cublaslt_problem_text(const struct det_cublaslt_problem *problem, struct det_line *to);
/** The whole key: library version, GPU name, workspace limit, problem. */
void det_cublaslt_key(const char *problem, uint64_t workspace_bytes, struct det_line *to);
/** The opaque words of an algorithm as text, and back. */
void det_cublaslt_algo_text(const cublasLtMatmulAlgo_t *algo, struct det_line *to);
bool det_cublaslt_algo_parse(const char *text, cublasLtMatmulAlgo_t *algo);
/** For the log: id, tile, stages, split-K and scheme of an algorithm. */
void det_cublaslt_algo_words(const cublasLtMatmulAlgo_t *algo, struct det_line *to);

#endif

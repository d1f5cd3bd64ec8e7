/* Calls put into a stream capture when the environment asks for it. Included after `static cudaStream_t stream`. */
#ifndef TEST_PRELOAD_PROGRAMS_CAPTURE_H
#define TEST_PRELOAD_PROGRAMS_CAPTURE_H

/* With CAPTURE in the environment, calls between these are captured in the mode that forbids most, and run as a graph. */
static int n_nodes;
static void capture_begin(void)
{
    if (getenv("CAPTURE") && cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal))
        exit(7);
}
static void capture_end(void)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    size_t n = 0;
    if (!getenv("CAPTURE"))
        return;
    if (cudaStreamEndCapture(stream, &graph) || cudaGraphGetNodes(graph, NULL, &n) ||
        cudaGraphInstantiate(&exec, graph, 0) || cudaGraphLaunch(exec, stream))
        exit(8);
    n_nodes += (int)n;
}

#endif

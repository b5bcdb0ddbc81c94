/* LL_ATON's cache of the NPU, declared for the tests. */
void npu_cache_enable(void);

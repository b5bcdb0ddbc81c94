/* A generated network's header, declared for the tests. */
#ifndef N6_TEST_STAI_NETWORK_H
#define N6_TEST_STAI_NETWORK_H

#define STAI_NETWORK_CONTEXT_SIZE 256
stai_return_code stai_network_init(stai_network *network);
stai_return_code stai_network_get_info(stai_network *network, stai_network_info *info);
stai_return_code stai_network_get_inputs(stai_network *network, stai_ptr *inputs, stai_size *count);
stai_return_code stai_network_get_outputs(stai_network *network, stai_ptr *outputs, stai_size *count);
stai_return_code stai_network_run(stai_network *network, stai_run_mode mode);

#endif

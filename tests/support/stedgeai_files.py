"""Texts in the form of ``stedgeai``'s files, written for the tests: no line of them comes from a file of ST's."""

from __future__ import annotations

from typing import Any

_LAYERS = """\
Model name - small_net
------ ------------- ------------------ ----------- ------- ------------
m_id   layer         oshape             param/size     macc connected to
------ ------------- ------------------ ----------- ------- ------------
0      conv (CONV_2D) [b:1,h:8,w:8,c:16] 160/640       9,232 input
------ ------------- ------------------ ----------- ------- ------------
model: macc=9,232 weights=640 activations=-- io=--
"""
_COMPILATION = """\
Compilation details
Compiler version: {compiler}
Compiler arguments:  -i small_net.onnx --Ocache-opt --enable-virtual-mem-pools
====
Memory usage information  (input/output buffers are included in activations)
\tcpuRAM2    [0x34100000 - 0x34200000]:          0  B /      1.000 MB  (  0.00 % used) -- weights:          0  B (  0.00 % used)  activations:          0  B (  0.00 % used)
\tnpuRAM5    [0x342E0000 - 0x34350000]:    144.000 kB /    448.000 kB  ( 32.14 % used) -- weights:          0  B (  0.00 % used)  activations:    144.000 kB ( 32.14 % used)
\toctoFlash  [0x71000000 - 0x78000000]:      3.500 MB /    112.000 MB  (  3.12 % used) -- weights:      3.500 MB (  3.12 % used)  activations:          0  B (  0.00 % used)
====
"""  # noqa: E501 - the tool's lines are that long
_EPOCHS_2 = """\
Epochs details
Total number of epochs: 3 of which 1 implemented in software
---
epoch ID   HW/SW/EC Operation (SW only)
epoch 1       HW
epoch 2       EC
epoch 3      -SW-   (      Softmax       )
====
"""
_EPOCHS_3 = """\
Total number of epochs                               3
>> pure software (SW) epochs                          1
>> hybrid epochs (using both software and hardware)   1
>> pure hardware (HW or EC) epochs                    1  (implemented in 0 epoch controller blobs/meta epochs)
---
+----------+------+---------+
| epoch ID | Type | Details |
+----------+------+---------+
| epoch_1  |  HW  |         |
| epoch_2  | HYBRID | Conv  |
| epoch_3  |  SW  | Softmax |
+----------+------+---------+
"""
_SECTIONS = """\
 Requested memory size by section - "stm32n6npu" target
 module                             text   rodata   data      bss
 NetworkRuntime1020_CM55_GCC.a         0        0      0        0
 weights                               0  3,670,001      0        0
 activations                           0        0      0   147,456
"""
_VALIDATION = """\
  duration       :   0.146 ms by sample (0.145/0.154/0.003)
  device.desc                 :   stm32 family - 0x486 - STM32N6xx @800/400MHz
  acc=n.a. rmse=0.000082811 mae=0.000012248 mean=-0.000012 std=0.000082 nse=0.999988 cos=0.999900
"""


def report(version: str = "2.2.0-20266", *, validated: bool = False) -> str:
    """Gives a report as Core 2.x or, from 3.0 on, as later versions write it."""
    old = version.startswith("2")
    compiler = "1.1.1-14" if old else "1.1.3-275"
    head = f"ST Edge AI Core v{version} 2adc00962\nParameters            : generate -m small_net.tflite\n\n"
    epochs = _EPOCHS_2 + _SECTIONS if old else _EPOCHS_3
    return head + _LAYERS + _COMPILATION.format(compiler=compiler) + epochs + (_VALIDATION if validated else "")


def c_info(version: str = "3.0.0-20426 123672867") -> dict[str, Any]:
    """Gives the object of a ``network_c_info.json``: two pools, one joint pool, three epochs."""

    def node(kind: str, *inner: str) -> dict[str, Any]:
        return {"mapping": kind, "subgraph_nodes": [{"type": name, "mapping": kind} for name in inner]}

    nodes = [
        node("NODE_NO_X", "Param", "Param"), node("NODE_HW", "Conv", "Add"), node("NODE_HW", "AveragePool"),
        node("NODE_SW", "Softmax"), node("NODE_NO_X", "Return"),
    ]  # fmt: skip
    return {
        "json_schema_version": "2.0",
        "environment": {
            "tools": [
                {"name": "ST.EdgeAI.Core", "version": version, "arguments": "generate -m small_net.tflite",
                 "input_model": {"name": "small_net", "n_params": 160}},
                {"name": "atonn", "version": "1.1.3-8", "arguments": " -i a.onnx --load-mpool stm32n6.mpool"},
            ]
        },
        "memory_footprint": {"activations": 245760, "weights": 212609, "kernel_ram": None},
        "memory_pools": [
            {"id": 1, "name": "npuRAM5", "address": "875429888", "size_bytes": 458752, "used_size_bytes": 245760},
            {"id": 2, "name": "octoFlash", "address": 1895825408, "size_bytes": 117440512, "used_size_bytes": 212609},
            {"id": 3, "name": "npuRAM5_npuRAM6", "address": "875429888", "size_bytes": 917504, "used_size_bytes": 0,
             "subpools": [1]},
        ],
        "buffers": [
            {"id": 1, "mpool_id": 1, "is_param": False, "offset_start": 0, "size_bytes": 245760},
            {"id": 2, "mpool_id": 2, "is_param": True, "offset_start": 4096, "size_bytes": 208513},
        ],
        "graphs": [{"nodes": nodes}],
    }  # fmt: skip

"""The prologue: the layers before the cut, which run in float32 on the CPU as generated C."""

"""What the generated int8 engine costs on the emulated Cortex-M55: instructions, text, constants, arena."""

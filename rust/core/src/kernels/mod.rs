//! Instruction sets: detected once, chosen, forced.

//! Verification of intent, V01-V25: how the hub asks a callback, and what it makes of the answer.

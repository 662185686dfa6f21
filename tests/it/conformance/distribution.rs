//! Distribution, D01-D28: what a delivery looks like, and what becomes of one that fails.

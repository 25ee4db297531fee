//! Exact top-k search.

//! Letters as others receive them.

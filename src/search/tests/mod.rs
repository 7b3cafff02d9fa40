//! The index beside the plain scan: the same homes, the same events, the same queries, the same results in the same order.

mod checkpoint;
mod equal;
mod pages;
mod views;
mod world;

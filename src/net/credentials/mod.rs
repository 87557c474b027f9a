//! The keys that sign towards the store: where they are found, how they are kept fresh, how all cores share them.

pub mod chain;
mod outside;
pub mod renewal;
pub mod slot;

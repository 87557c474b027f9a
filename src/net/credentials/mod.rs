//! The keys that sign towards the store, as they are shared by all cores.

pub mod slot;

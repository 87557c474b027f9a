//! Connections to the store: endpoint, connecting, pool.

pub mod endpoint;
pub mod pool;

//! Connections to the store: endpoint, its addresses, connecting, pool.

pub mod addresses;
pub mod endpoint;
pub mod pool;
pub mod resolver;

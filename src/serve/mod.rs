//! Where bytes meet decisions: one connection, one request.

pub mod settings;

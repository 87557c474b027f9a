//! Where bytes meet decisions: one connection, one request.

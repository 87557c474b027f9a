//! Integration tests over real sockets: one binary, a module per subject.

mod e2e;
mod support;

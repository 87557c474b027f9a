//! Integration tests over real sockets: one binary, a module per subject.

#[cfg(feature = "demo")]
mod demo;
mod e2e;
mod program;
mod support;
mod templates;

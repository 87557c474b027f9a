//! The compiled document.

/// The compiled document.
#[derive(Debug)]
pub struct Table;

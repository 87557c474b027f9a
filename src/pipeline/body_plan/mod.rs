//! Empty until its author fills it.

//! A gateway in this process, a scripted store behind it, and a client that speaks bytes.

pub mod backend;
pub mod client;
pub mod gateway;
pub mod message;
pub mod program;

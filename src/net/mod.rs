//! Sockets, buffers, time. The only floor that names the runtime.

pub mod address;
pub mod address_range;
mod blocking_http;
pub mod buffer;
pub mod clock;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod credentials;
pub mod deadline;
pub mod driver;
pub mod listener;
#[cfg(test)]
pub(crate) mod loopback;
pub mod relay;
pub mod stream;
pub mod tls;
pub mod upstream;

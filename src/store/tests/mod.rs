//! The store over a socket.

mod bodies;
mod client;
mod conditions;
mod keys;
mod lifecycle;
mod listings;
mod multipart;
mod objects;
mod sample;

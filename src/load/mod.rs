//! The load generator of `sluicegate bench`: an open loop that counts each latency from the moment a request was due.

pub mod connection;
pub mod fault;
pub mod generator;
pub mod incoming;
pub mod ladder;
pub mod outgoing;
pub mod plain_client;
pub mod recorder;
pub mod report;
pub mod run;
pub mod schedule;
pub mod series;
pub mod target;
pub mod workload;

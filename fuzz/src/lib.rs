//! Fuzz targets of sluicegate; `README.md` says how they are run.
#![forbid(unsafe_code)]

pub mod targets;

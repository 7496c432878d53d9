//! The hot path of hydra: payloads, ids, selection and the heartbeat, without a line of Python.
//!
//! Everything here is testable with `cargo test`; `rust/python` only converts to and from it.

pub mod bell;
pub mod payload;
pub mod selection;
pub mod uuid7;
pub mod watchdog;
pub mod work;

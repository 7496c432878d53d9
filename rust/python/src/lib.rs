//! hydra._core: converts between Python and hydra-core, detaches the GIL and maps errors. It decides nothing.

mod bell;
mod decode;
mod encode;
mod errors;
mod ids;
mod lease;
mod page;
mod plan;
mod refusal;
mod selection;
mod types;
mod walk;
mod watchdog;

use pyo3::prelude::*;

/// `"release"` or `"debug"`: benchmarks refuse the latter.
#[pyfunction]
fn build_profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::bell::listen;
    #[pymodule_export]
    use super::build_profile;
    #[pymodule_export]
    use super::decode::{Named, decode, decode_named, decode_restored};
    #[pymodule_export]
    use super::encode::{digest_of_call, encode, encode_many, encode_with_digest};
    #[pymodule_export]
    use super::ids::{uuid7, uuid7_many};
    #[pymodule_export]
    use super::lease::LeaseClock;
    #[pymodule_export]
    use super::page::PageSlots;
    #[pymodule_export]
    use super::selection::{assign, select};
    #[pymodule_export]
    use super::watchdog::{Lifeline, Watchdog, boottime_ns, set_child_subreaper, set_parent_death_signal};
}

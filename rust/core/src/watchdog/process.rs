//! What a process asks of the kernel about its family, and Python has no call for.

use rustix::process::{Signal, getpid, set_child_subreaper as adopt, set_parent_process_death_signal};

use super::WatchdogError;

/// Orphaned descendants become this process's children, so that it can wait for them.
pub fn set_child_subreaper() -> Result<(), WatchdogError> {
    Ok(adopt(Some(getpid()))?)
}

/// The signal this process gets when the thread that forked it ends; 0 for none.
pub fn set_parent_death_signal(signal: i32) -> Result<(), WatchdogError> {
    let named = match signal {
        0 => None,
        number => Some(Signal::from_named_raw(number).ok_or(WatchdogError::UnknownSignal(number))?),
    };
    Ok(set_parent_process_death_signal(named)?)
}

//! A doorbell between processes of one host: opening a file and closing it again wakes everybody who listens to it.
//!
//! Nothing is written, so ringing costs the disk nothing. Nobody listening, or the kernel refusing a listener: no harm.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

/// A descriptor that becomes readable whenever the file is closed by someone who had opened it for reading only.
pub fn listen(path: &Path) -> std::io::Result<OwnedFd> {
    let bell = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    add_watch(&bell, path, WatchFlags::CLOSE_NOWRITE)?;
    Ok(bell)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read;

    use super::*;

    #[test]
    fn every_listener_hears_a_reader_close_and_nobody_a_writer() {
        let path = std::env::temp_dir().join(format!("hydra-bell-{}", std::process::id()));
        drop(File::create(&path).unwrap());
        let mut bells = [File::from(listen(&path).unwrap()), File::from(listen(&path).unwrap())];
        drop(OpenOptions::new().write(true).open(&path).unwrap());
        for bell in &mut bells {
            assert!(bell.read(&mut [0; 256]).is_err());
        }
        drop(File::open(&path).unwrap());
        for bell in &mut bells {
            assert!(bell.read(&mut [0; 256]).unwrap() > 0);
        }
        std::fs::remove_file(&path).unwrap();
    }
}

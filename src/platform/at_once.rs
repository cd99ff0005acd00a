//! Writing to stdout where the system promises not to wait: pipes and sockets of Linux.

use std::io;

/// stdout, for writes that never block.
#[derive(Debug)]
pub struct AtOnce(system::AtOnce);

/// stdout for such writes; `None` where the system has none for what stdout is.
pub fn stdout() -> Option<AtOnce> {
    system::AtOnce::of(io::stdout()).map(AtOnce)
}

impl AtOnce {
    /// Such writes to whatever it is.
    #[cfg(all(test, target_os = "linux"))]
    pub fn of(output: impl std::os::fd::AsFd) -> Option<AtOnce> {
        system::AtOnce::of(output).map(AtOnce)
    }

    /// Writes as much of a line and its end as there is room for, and says how many bytes that was. Errors count as
    /// no room: who then writes in the ordinary way learns of them.
    pub fn write_line(&self, line: &[u8]) -> usize {
        self.0.write_line(line)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::fs::FileType;
    use rustix::io::{Errno, ReadWriteFlags};

    /// Where pipes and sockets are now, as they have no other place.
    const HERE: u64 = u64::MAX;

    #[derive(Debug)]
    pub struct AtOnce {
        output: File,
        /// Kernels before 6.5 do not know it of pipes and sockets, and some sandboxes never do.
        pub refused: AtomicBool,
    }

    impl AtOnce {
        pub fn of(output: impl AsFd) -> Option<AtOnce> {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&output).ok()?.st_mode);
            if !matches!(kind, FileType::Fifo | FileType::Socket) {
                return None;
            }
            let output = File::from(output.as_fd().try_clone_to_owned().ok()?);
            Some(AtOnce { output, refused: AtomicBool::new(false) })
        }

        pub fn write_line(&self, line: &[u8]) -> usize {
            if self.refused.load(Relaxed) {
                return 0;
            }
            let pieces = [IoSlice::new(line), IoSlice::new(b"\n")];
            match rustix::io::pwritev2(&self.output, &pieces, HERE, ReadWriteFlags::NOWAIT) {
                Ok(written) => written,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(_) => {
                    self.refused.store(true, Relaxed);
                    0
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Debug)]
    pub enum AtOnce {}

    impl AtOnce {
        pub fn of<T>(_: T) -> Option<AtOnce> {
            None
        }

        pub fn write_line(&self, _: &[u8]) -> usize {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_waited_for() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let at_once = AtOnce::of(&writer).unwrap();
        let line = [b'x'; 999];
        let mut written = 0;
        loop {
            let more = at_once.write_line(&line);
            // A pipe takes a small line whole or not at all.
            assert!(more == 0 || more == line.len() + 1, "{more}");
            if more == 0 {
                break;
            }
            written += more;
        }
        assert!(written > 0 || at_once.0.refused.load(std::sync::atomic::Ordering::Relaxed));
        drop((at_once, writer));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), written);
    }

    #[test]
    fn sockets_too() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let at_once = AtOnce::of(&writer).unwrap();
        let written = at_once.write_line(b"{}");
        assert!(written == 3 || at_once.0.refused.load(std::sync::atomic::Ordering::Relaxed));
        drop((at_once, writer));
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "{}\n"[..written]);
    }

    #[test]
    fn files_are_written_in_the_ordinary_way() {
        assert!(AtOnce::of(tempfile::tempfile().unwrap()).is_none());
    }

    #[test]
    fn nobody_reads() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let at_once = AtOnce::of(&writer).unwrap();
        assert_eq!(at_once.write_line(b"{}"), 0);
    }
}

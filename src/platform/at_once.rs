//! Reading stdin and writing stdout where the system promises not to wait: pipes and sockets of Linux.

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

/// stdin, for reads that wait in the runtime and never block.
#[derive(Debug)]
pub struct Arriving(system::Arriving);

/// stdin for such reads; `None` where the system has none for what stdin is. Call it within the runtime.
pub fn stdin() -> Option<Arriving> {
    system::Arriving::of(io::stdin()).map(Arriving)
}

impl Arriving {
    /// Such reads of whatever it is.
    #[cfg(all(test, target_os = "linux"))]
    pub fn of(input: impl std::os::fd::AsFd) -> Option<Arriving> {
        system::Arriving::of(input).map(Arriving)
    }

    /// Waits for input and reads it: as many bytes as there are and fit, 0 at its end. `None` where the system refuses:
    /// who then reads in the ordinary way learns of errors. Safe to drop while it waits.
    pub async fn read(&self, piece: &mut [u8]) -> Option<usize> {
        self.0.read(piece).await
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io::{ErrorKind, IoSlice, IoSliceMut};
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::fs::FileType;
    use rustix::io::{Errno, ReadWriteFlags};
    use tokio::net::unix::pipe::Receiver;

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
            Some(AtOnce { output: pipe_or_socket(output)?, refused: AtomicBool::new(false) })
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

    #[derive(Debug)]
    pub struct Arriving(Receiver);

    impl Arriving {
        pub fn of(input: impl AsFd) -> Option<Arriving> {
            // Unchecked, for sockets are waited for in the same way, and the flags of stdin are not ours alone.
            Receiver::from_file_unchecked(pipe_or_socket(input)?).ok().map(Arriving)
        }

        pub async fn read(&self, piece: &mut [u8]) -> Option<usize> {
            loop {
                self.0.readable().await.ok()?;
                // Only the system's refusal ends the readiness: a read may end early in the middle of what is there.
                let read = self.0.try_io(|| {
                    let mut pieces = [IoSliceMut::new(piece)];
                    Ok(rustix::io::preadv2(&self.0, &mut pieces, HERE, ReadWriteFlags::NOWAIT)?)
                });
                match read.map_err(|error| error.kind()) {
                    Ok(read) => return Some(read),
                    Err(ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => return None,
                }
            }
        }
    }

    /// Another handle of what is a pipe or a socket.
    fn pipe_or_socket(file: impl AsFd) -> Option<File> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode);
        let fits = matches!(kind, FileType::Fifo | FileType::Socket);
        fits.then(|| file.as_fd().try_clone_to_owned().ok().map(File::from))?
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Debug)]
    pub enum Arriving {}

    impl Arriving {
        pub fn of<T>(_: T) -> Option<Arriving> {
            None
        }

        #[expect(clippy::unused_async, reason = "that of Linux waits")]
        pub async fn read(&self, _: &mut [u8]) -> Option<usize> {
            match *self {}
        }
    }

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

    #[tokio::test]
    async fn what_arrives_is_read_and_so_is_the_end() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (socket, mut other) = UnixStream::pair().unwrap();
        let ways: [(Arriving, &mut dyn std::io::Write); 2] = [
            (Arriving::of(&reader).unwrap(), &mut writer),
            (Arriving::of(&socket).unwrap(), &mut other),
        ];
        for (arriving, writer) in ways {
            let mut piece = [0; 8];
            writer.write_all(b"0123456789").unwrap();
            match arriving.read(&mut piece).await {
                Some(read) => assert_eq!(&piece[..read], b"01234567"),
                // A system that does not know such reads.
                None => return,
            }
            assert_eq!(arriving.read(&mut piece).await, Some(2));
            let (read, ()) = tokio::join!(arriving.read(&mut piece), async {
                tokio::task::yield_now().await;
                writer.write_all(b"later").unwrap();
            });
            assert_eq!(read, Some(5));
        }
        let arriving = Arriving::of(&reader).unwrap();
        drop(writer);
        assert_eq!(arriving.read(&mut [0; 8]).await, Some(0));
        assert!(Arriving::of(tempfile::tempfile().unwrap()).is_none());
    }

    #[test]
    fn nobody_reads() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let at_once = AtOnce::of(&writer).unwrap();
        assert_eq!(at_once.write_line(b"{}"), 0);
    }
}

//! One connection's socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that wakes us for what arrives alone. tokio's own is also woken whenever its peer has taken something: where
/// calls and answers take turns that is each answer, and half of all wake-ups.
#[derive(Debug)]
pub struct Socket(AsyncFd<UnixStream>);

impl Socket {
    /// Takes over a connection.
    ///
    /// # Errors
    /// The system has no room for it.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Socket> {
        registered(stream.into_std()?, Interest::READABLE).map(Socket)
    }

    /// Reads what has arrived, once something has; 0: the peer has closed.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match self.0.get_ref().read(buffer) {
                Ok(n) => {
                    // Less than there was room for: nothing is left, and what comes later is told anew.
                    if n < buffer.len() {
                        ready.clear_ready();
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Writes what the peer takes now.
    ///
    /// # Errors
    /// `WouldBlock`: it takes nothing now. Any other: the connection is gone.
    pub fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [one] => self.0.get_ref().write(one),
            many => self.0.get_ref().write_vectored(many),
        }
    }

    /// Waits until the peer takes more.
    ///
    /// # Errors
    /// The system has no room for one more descriptor.
    pub async fn writable(&self) -> io::Result<()> {
        let other = registered(self.0.get_ref().try_clone()?, Interest::WRITABLE)?;
        let _ready = other.writable().await?;
        Ok(())
    }

    /// Ends the connection in both directions, whoever still holds it.
    pub fn close(&self) {
        // Gone already is as good.
        let _ = self.0.get_ref().shutdown(Shutdown::Both);
    }
}

#[expect(unsafe_code, reason = "tokio has no other way to wait for one direction of a socket")]
fn registered(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a stream owns its descriptor and keeps it open and the same while it lives; it is lent by reference only.
    Ok(unsafe { AsyncFd::register_with_interest(stream, interest) }?)
}

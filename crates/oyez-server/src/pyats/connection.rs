//! One connection: bytes to messages, and what waits to be sent.

use std::rc::Rc;
use std::time::Instant;

use oyez_wire::pyats::frame::Frames;
use oyez_wire::pyats::session::Conn;
use tokio::sync::mpsc::Sender;

use super::outbox::Outbox;
use super::socket::Socket;

/// What comes in.
#[derive(Debug)]
pub enum Inbound {
    /// Somebody connected.
    Opened(Conn, Rc<Socket>),
    /// A message.
    Message(Conn, Vec<u8>),
    /// The peer takes more now.
    Writable(Conn),
    /// The connection has ended.
    Closed(Conn),
}

/// A connection, as the server keeps it.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: Rc<Socket>,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// How often it gets each event: pyATS's own server counts every subscription.
    pub subscribed: u32,
    /// Somebody waits for the peer to take more.
    pub stuck: bool,
    /// When the peer last took something.
    pub took: Instant,
}

const BUFFER: usize = 64 << 10;

/// Reads messages until the connection ends. One that is larger than allowed ends it.
pub async fn read(conn: Conn, stream: Rc<Socket>, to: Sender<Inbound>, strict: bool) {
    let mut frames = Frames::default();
    let mut buffer = vec![0; BUFFER];
    while let Ok(got @ 1..) = stream.read(&mut buffer).await {
        let mut arrived = &buffer[..got];
        loop {
            match frames.next(&mut arrived) {
                Ok(Some(message)) => {
                    if to.send(Inbound::Message(conn, message.to_vec())).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    let _ = to.send(Inbound::Closed(conn)).await;
                    return;
                }
            }
        }
        // pyATS's own server ends a connection whose chunk header comes in two pieces.
        if strict && got < BUFFER && frames.is_mid_header() {
            break;
        }
    }
    let _ = to.send(Inbound::Closed(conn)).await;
}

/// Tells when the peer takes more.
pub async fn wait_writable(conn: Conn, stream: Rc<Socket>, to: Sender<Inbound>) {
    let _ = stream.writable().await;
    let _ = to.send(Inbound::Writable(conn)).await;
}

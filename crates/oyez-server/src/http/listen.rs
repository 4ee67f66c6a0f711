//! Connections: taken while there is room, kept while they do something, and let go of in good order.
//!
//! A client may be slow, silent or many. Each limit here is what keeps it from harming the others: so many connections at
//! once, so long for a request's head (also the longest that a connection may idle), a body that comes at some pace
//! (`body`), an answer that is taken at some pace (`stream`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::stream::Patient;

/// What clients may do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait to be taken.
    pub connections: usize,
    /// For the head of a request, and for the next request.
    pub head: Duration,
    /// Until an answer that nobody takes is given up.
    pub write: Duration,
    /// For what is under way when the listener ends.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 4096,
            // As ConTest has it.
            head: Duration::from_secs(10),
            write: Duration::from_secs(30),
            farewell: Duration::from_secs(5),
        }
    }
}

/// Bytes of a request's head.
const LONGEST_HEAD: usize = 64 << 10;

/// After an address gave no connection (no descriptors left, say).
const RETRY: Duration = Duration::from_millis(50);

/// Why nobody listens.
#[derive(Debug, Error)]
pub enum ListenError {
    /// There is no access control yet.
    #[error(
        "--listen {0}: only loopback addresses (127.0.0.1, [::1]) are served: whoever can connect can run commands, and there is no access control yet"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error(
        "cannot listen on {address}: {source}; another server may be there, --listen 127.0.0.1:0 takes any free port"
    )]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Listener {
    /// Listens; connections wait until [`Listener::serve`].
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback(address));
        }
        let trouble = |source| ListenError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        Ok(Listener { listener, address, limits })
    }

    /// Where: with the port that was found, when none was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `ending` turns true; then takes no more connections and waits for what is under way, for a while.
    pub async fn serve(self, router: Router, mut ending: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        loop {
            // What has ended is taken away, so that nothing gathers.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = ending.wait_for(|ending| *ending) => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let work = connection(stream, router.clone(), self.limits.clone(), ending.clone());
                    connections.spawn(async move {
                        work.await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever is not done by then is cut off.
        let _ = tokio::time::timeout(self.limits.farewell, all).await;
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, mut ending: watch::Receiver<bool>) {
    // Answers are small: none waits for another packet.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Patient::new(stream, limits.write));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(LONGEST_HEAD)
        .title_case_headers(true)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    // A client that does wrong only loses its own connection.
    let is_served = tokio::select! {
        _ = served.as_mut() => true,
        _ = ending.wait_for(|ending| *ending) => false,
    };
    if !is_served {
        served.as_mut().graceful_shutdown();
        let _ = served.await;
    }
}

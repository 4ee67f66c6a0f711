//! Connecting, registering, and one call with its repetition.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oyez_model::Value;
use oyez_wire::pyats::frame::MAX_MESSAGE;
use oyez_wire::pyats::pickle;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{Connection, Trouble};
use super::{Arguments, Error};

/// pyATS's client tries for so long (specs/pyats.md 1.4).
const PATIENCE: Duration = Duration::from_secs(25);
/// A report waits for line counts for a minute and a commit for a full disk for another; then comes the work itself.
const REPLY: Duration = Duration::from_secs(300);
/// How long it waits between two tries, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));
/// A call that breaks so many connections is the reason itself.
const REPEATS: usize = 8;
/// What a server of Oyez leaves beside its socket.
const NOTE: &str = "oyez.json";

/// How a client behaves, and as which process it registers.
#[derive(Clone, Debug)]
pub struct Options {
    patience: Duration,
    reply: Duration,
    pid: String,
    ppid: String,
}

impl Default for Options {
    /// This process, 25 seconds to connect, five minutes to answer.
    fn default() -> Self {
        Options {
            patience: PATIENCE,
            reply: REPLY,
            pid: std::process::id().to_string(),
            ppid: std::os::unix::process::parent_id().to_string(),
        }
    }
}

impl Options {
    /// As [`Options::default`].
    #[must_use]
    pub fn new() -> Options {
        Options::default()
    }

    /// How long it is tried to connect: at first, and again when the connection breaks.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Options {
        Options { patience, ..self }
    }

    /// How long a call waits for its answer.
    #[must_use]
    pub fn reply_within(self, reply: Duration) -> Options {
        Options { reply, ..self }
    }

    /// Another process than this one: the server tells its clients apart by process id.
    #[must_use]
    pub fn pid(self, pid: impl Into<String>) -> Options {
        Options { pid: pid.into(), ..self }
    }

    /// The process whose sections this client's are nested in while it has none of its own.
    #[must_use]
    pub fn ppid(self, ppid: impl Into<String>) -> Options {
        Options { ppid: ppid.into(), ..self }
    }

    /// Connects to the server at a socket, and registers.
    ///
    /// # Errors
    /// [`Error::ServerNotStarted`] when nobody listens in time; whatever registering raises.
    pub async fn connect(self, path: impl Into<PathBuf>) -> Result<ReportClient, Error> {
        let mut client = ReportClient {
            path: path.into(),
            options: self,
            token: token()?,
            number: 0,
            connection: None,
            known: false,
            broken: false,
        };
        client.reconnect().await?;
        Ok(client)
    }
}

/// A client of a report server. Its calls are answered one after the other; what it has open is its own
/// (specs/pyats.md 1.4).
///
/// A call whose future is dropped before it is ready has been made, or not; if the connection breaks at that moment it is
/// not repeated. Dropping the client closes its connection: the server stops what it has left open.
#[derive(Debug)]
pub struct ReportClient {
    path: PathBuf,
    options: Options,
    /// What it shows when it comes back: 32 hexadecimal digits.
    token: String,
    /// The number of its last call.
    number: i64,
    connection: Option<Connection>,
    /// It has registered before.
    known: bool,
    /// Nobody is waited for any more.
    broken: bool,
}

impl ReportClient {
    /// Connects as this process; see [`Options`] for anything else.
    ///
    /// # Errors
    /// As [`Options::connect`].
    pub async fn connect(path: impl Into<PathBuf>) -> Result<ReportClient, Error> {
        Options::default().connect(path).await
    }

    /// The server's socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connects again, and registers with the same token; needed only after [`Error::ConnectionBroken`].
    ///
    /// # Errors
    /// As [`Options::connect`].
    pub async fn reconnect(&mut self) -> Result<(), Error> {
        self.connection = None;
        let began = Instant::now();
        let until = began + self.options.patience;
        let mut connection = None;
        let mut pause = PAUSE.0;
        loop {
            let failed = match timeout_at(until, self.greet(&mut connection)).await {
                Ok(Ok(reply)) => {
                    Error::or_value("register_client", reply)?;
                    self.connection = connection;
                    (self.known, self.broken) = (true, false);
                    return Ok(());
                }
                Ok(Err(Trouble::Unreadable(e))) => {
                    return Err(not_understood("register_client", e.to_string()));
                }
                Ok(Err(Trouble::TooLarge(e))) => {
                    return Err(not_understood("register_client", e.to_string()));
                }
                Ok(Err(Trouble::Closed { .. })) => io::ErrorKind::ConnectionReset.into(),
                Ok(Err(Trouble::Broken(e))) => e,
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            // What does not pass by waiting: no permission, no socket there but something else.
            let passes = matches!(
                failed.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::WouldBlock
            );
            if !passes || Instant::now() + pause > until {
                let waited = began.elapsed();
                return Err(Error::ServerNotStarted { path: self.path.clone(), waited, source: failed });
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Connects once, asks whether anybody is there, and registers: the answer to that.
    async fn greet(&self, connection: &mut Option<Connection>) -> Result<Value, Trouble> {
        let connection = connection.insert(Connection::open(&self.path).await?);
        connection.exchange(&request("ping", Arguments::new(), None)).await?;
        let who = Arguments::new()
            .with("pid", self.options.pid.as_str())
            .with("ppid", self.options.ppid.as_str())
            .with("token", self.token.as_str())
            .with("resume", self.known);
        connection.exchange(&request("register_client", who, None)).await
    }

    /// Any call by its name, with the server's answer as it is: what the methods of this type are made of, for calls that
    /// are not among them.
    ///
    /// # Errors
    /// What the server raises; [`Error::ConnectionClosed`] and [`Error::ConnectionBroken`] when there is no server that
    /// would remember this client; [`Error::NoAnswer`].
    pub async fn call(&mut self, name: &str, arguments: Arguments) -> Result<Value, Error> {
        if self.broken {
            return Err(Error::ConnectionBroken { call: name.to_owned() });
        }
        self.number += 1;
        let message = request(name, arguments, Some(self.number));
        if message.len() > MAX_MESSAGE {
            let call = name.to_owned();
            return Err(Error::TooLarge { call, bytes: message.len(), limit: MAX_MESSAGE });
        }
        for _ in 0..REPEATS {
            let Some(connection) = &mut self.connection else {
                // A call that was dropped while it connected again.
                self.back(name).await?;
                continue;
            };
            let until = Instant::now() + self.options.reply;
            match timeout_at(until, connection.exchange(&message)).await {
                Ok(Ok(reply)) => return Error::or_value(name, reply),
                Ok(Err(Trouble::Unreadable(e))) => return Err(not_understood(name, e.to_string())),
                Ok(Err(Trouble::TooLarge(e))) => {
                    self.connection = None;
                    self.broken = true;
                    return Err(not_understood(name, e.to_string()));
                }
                Ok(Err(Trouble::Closed { .. } | Trouble::Broken(_))) => self.back(name).await?,
                Err(_) => {
                    return Err(Error::NoAnswer { call: name.to_owned(), waited: self.options.reply });
                }
            }
        }
        self.close();
        Err(Error::ConnectionClosed { call: name.to_owned() })
    }

    /// Connects again when the server, or the one after it, remembers this client.
    async fn back(&mut self, call: &str) -> Result<(), Error> {
        self.connection = None;
        if !remembers(&self.path) {
            self.broken = true;
            return Err(Error::ConnectionClosed { call: call.to_owned() });
        }
        self.reconnect().await.map_err(|e| {
            self.broken = true;
            match e {
                Error::ServerNotStarted { .. } => Error::ConnectionClosed { call: call.to_owned() },
                other => other,
            }
        })
    }

    /// Closes the connection: the server stops what this client has left open. Later calls fail with
    /// [`Error::ConnectionBroken`].
    pub fn close(&mut self) {
        self.connection = None;
        self.broken = true;
    }
}

/// Whether who serves this socket keeps its clients, and there will be another when it was killed.
fn remembers(socket: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct Note {
        ended: bool,
    }
    let note = std::fs::read(socket.with_file_name(NOTE)).unwrap_or_default();
    serde_json::from_slice::<Note>(&note).is_ok_and(|note| !note.ended)
}

/// A request's pickle.
pub(super) fn request(name: &str, arguments: Arguments, number: Option<i64>) -> Vec<u8> {
    let mut pairs =
        vec![(Value::text("name"), Value::text(name)), (Value::text("data"), arguments.into_value())];
    pairs.extend(number.map(|number| (Value::text("number"), Value::Int(number))));
    pickle::write(&Value::Map(pairs))
}

pub(super) fn not_understood(call: &str, why: String) -> Error {
    Error::MessageReceive { call: call.to_owned(), why }
}

fn token() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

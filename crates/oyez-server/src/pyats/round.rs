//! Rounds: what has arrived is done, kept in one commit, and answered.

use std::rc::Rc;
use std::time::{Duration, Instant};

use oyez_model::event::{JobStateChanged, ProducerLeft};
use oyez_model::{EventBody, JobState, Value};
use oyez_store::{LeaseName, StoreError};
use oyez_wire::pyats::frame;
use oyez_wire::pyats::pickle::{self, Limits};
use oyez_wire::pyats::session::{CallError, Conn, Effect, Session, Turn, write_object};
use oyez_wire::pyats::tree::Ix;
use rustc_hash::FxHashMap;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{LocalSet, spawn_local};

use super::connection::{Connection, Inbound, read, wait_writable};
use super::journal::{Journal, now};
use super::lines::{Ask, Counter, Told};
use super::socket::Socket;
use super::{Home, LEASE, Options, ServeError, files};

/// Messages that wait at most; then the connections wait.
const QUEUE: usize = 1024;
/// Most messages of one round.
const ROUND: usize = 256;
/// Most connections at once.
const MOST_CONNECTIONS: usize = 4096;
/// Most subscriptions of one connection.
const MOST_SUBSCRIPTIONS: u32 = 8;
/// How long clients are expected back after a restart.
const EXPECTED: Duration = Duration::from_secs(30);
/// How long a subscriber may take nothing of what waits for it.
const STALLED: Duration = Duration::from_secs(60);
/// Subscribers get what has gathered at most this often, when there is much.
const GATHER: Duration = Duration::from_micros(500);
/// How long a report waits for line counts.
const COUNTS: Duration = Duration::from_secs(60);
/// How long the server looks for the next call before it sleeps.
const LINGER: Duration = Duration::from_micros(40);
/// Larger messages may hold values that are too large for one event.
const LARGE: usize = 4 << 20;

pub(super) struct Server {
    home: Home,
    session: Session,
    journal: Journal,
    counter: Counter,
    options: Options,
    conns: FxHashMap<Conn, Connection>,
    last_conn: Conn,
    to: Sender<Inbound>,
    from: Receiver<Inbound>,
    uncounted: FxHashMap<Ix, String>,
    /// There is more than one processor: looking takes nothing from who is looked for.
    several: bool,
    subscribers: usize,
    flushed: Instant,
    unflushed: bool,
    /// Clients of the server before this one may come back until then.
    expected: Option<Instant>,
    stop: bool,
    /// The calls of this round, for tests that kill the server at one of them.
    #[cfg(feature = "failpoints")]
    calls: Vec<String>,
}

impl Server {
    pub(super) fn new(
        home: Home,
        session: Session,
        journal: Journal,
        counter: Counter,
        options: Options,
        resumed: bool,
    ) -> Self {
        let (to, from) = channel(QUEUE);
        Server {
            home,
            session,
            journal,
            counter,
            options,
            conns: FxHashMap::default(),
            last_conn: 0,
            to,
            from,
            uncounted: FxHashMap::default(),
            several: std::thread::available_parallelism().is_ok_and(|n| n.get() > 1),
            subscribers: 0,
            flushed: Instant::now(),
            unflushed: false,
            expected: resumed.then(|| Instant::now() + EXPECTED),
            stop: false,
            #[cfg(feature = "failpoints")]
            calls: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, listener: UnixListener) -> Result<(), ServeError> {
        if self.expected.is_some() {
            let mut turn = Turn { counts: self.session.uncounted(), ..Turn::default() };
            self.keep(&mut turn, false);
        }
        LocalSet::new()
            .run_until(async move {
                let accept = spawn_local(accept(listener, self.to.clone()));
                let ended = self.serve().await;
                accept.abort();
                let finished = self.finish().await;
                ended.and(finished)
            })
            .await
    }

    async fn serve(&mut self) -> Result<(), ServeError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut renewed = Instant::now();
        let mut inbox = Vec::with_capacity(ROUND);
        while !self.stop {
            let counting = self.counter.waiting() > 0;
            tokio::select! {
                biased;
                n = self.from.recv_many(&mut inbox, ROUND) => {
                    if n > 0 {
                        self.round(&mut inbox).await?;
                        self.linger().await;
                    }
                }
                told = self.counter.next(), if counting => {
                    if let Some(told) = told {
                        self.told(told);
                        while let Some(told) = self.counter.ready() {
                            self.told(told);
                        }
                        self.journal.commit().await?;
                    }
                }
                () = tokio::time::sleep_until((self.flushed + GATHER).into()), if self.unflushed => self.flush_all(),
                _ = tick.tick() => {
                    if renewed.elapsed() >= LEASE.1 {
                        renewed = Instant::now();
                        self.renew().await?;
                    }
                    self.tick().await?;
                }
                _ = terminate.recv() => self.stop = true,
                _ = interrupt.recv() => self.stop = true,
            }
        }
        Ok(())
    }

    /// Looks for the next call for a moment before it sleeps: a client that has its answer mostly makes the next call at
    /// once, and to be woken costs more than the call.
    async fn linger(&self) {
        let until = Instant::now() + LINGER;
        while self.several && self.from.is_empty() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
    }

    /// One round: everything that has arrived, one commit, the answers.
    async fn round(&mut self, inbox: &mut Vec<Inbound>) -> Result<(), ServeError> {
        let mut done: Vec<(Option<Conn>, Turn)> = Vec::with_capacity(inbox.len());
        for inbound in inbox.drain(..) {
            match inbound {
                Inbound::Opened(conn, stream) => self.opened(conn, stream),
                Inbound::Writable(conn) => {
                    if let Some(connection) = self.conns.get_mut(&conn) {
                        connection.stuck = false;
                    }
                    self.flush(conn);
                }
                Inbound::Message(conn, message) => {
                    let turn = self.message(conn, &message);
                    done.push((Some(conn), turn));
                }
                Inbound::Closed(conn) => {
                    self.forget(conn);
                    let mut turn = self.session.closed(conn, now());
                    self.keep(&mut turn, false);
                    done.push((None, turn));
                }
            }
        }
        self.moment("handled");
        let kept = self.journal.commit().await;
        self.moment("kept");
        for (conn, turn) in done {
            self.answer(conn, turn, kept.as_ref().err()).await;
        }
        self.moment("answered");
        #[cfg(feature = "failpoints")]
        self.calls.clear();
        self.flush_soon();
        match kept {
            Err(e @ (StoreError::Fenced { .. } | StoreError::NoJob(_))) => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// A moment at which a test may kill the server.
    #[cfg(feature = "failpoints")]
    fn moment(&self, moment: &str) {
        // Each call of the round comes to it; before it is handled, only the one that has just been read.
        let calls = if moment == "before" { self.calls.last().as_slice().len() } else { self.calls.len() };
        self.calls.iter().rev().take(calls).for_each(|call| super::crash::at(moment, call));
    }

    #[cfg(not(feature = "failpoints"))]
    #[expect(clippy::unused_self, reason = "the same call in both builds")]
    fn moment(&self, _: &str) {}

    fn opened(&mut self, conn: Conn, stream: Rc<Socket>) {
        if self.conns.len() >= MOST_CONNECTIONS {
            return;
        }
        spawn_local(read(conn, Rc::clone(&stream), self.to.clone(), self.options.strict));
        let connection = Connection {
            stream,
            outbox: Default::default(),
            subscribed: 0,
            stuck: false,
            took: Instant::now(),
        };
        self.last_conn = self.last_conn.max(conn);
        self.conns.insert(conn, connection);
    }

    fn message(&mut self, conn: Conn, message: &[u8]) -> Turn {
        let mut turn = match pickle::read(message, &Limits::default()) {
            Ok(request) => {
                #[cfg(feature = "failpoints")]
                self.calls.push(request.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
                self.moment("before");
                self.session.handle(conn, &request, now())
            }
            Err(_) => Turn { reply: self.session.refuse(), ..Turn::default() },
        };
        self.keep(&mut turn, message.len() > LARGE);
        turn
    }

    /// What a turn says goes to the journal; the logs that have come to an end are counted.
    fn keep(&mut self, turn: &mut Turn, large: bool) {
        let time = turn.time.unwrap_or_else(now);
        for event in turn.events.drain(..) {
            match large {
                true => self.journal.add_large(time, event),
                false => self.journal.add(time, event),
            }
        }
        for count in &turn.counts {
            let path = self.home.folder().join(&count.span.file);
            self.counter.ask(Ask { ix: count.ix, path, span: count.span.clone() });
        }
    }

    async fn answer(&mut self, conn: Option<Conn>, turn: Turn, trouble: Option<&StoreError>) {
        for push in &turn.pushes {
            self.publish(push);
        }
        let Some(conn) = conn else { return };
        let mut reply = turn.reply;
        if let Some(e) = trouble {
            let error = std::io::Error::from_raw_os_error(28);
            reply = CallError::os(&error, &format!("not kept: {e}")).reply("commit", false);
        }
        let is_error = reply.get("exception").is_some();
        match turn.effect {
            Some(Effect::Subscribe) => self.subscribe(conn, true),
            Some(Effect::Unsubscribe) => self.subscribe(conn, false),
            Some(Effect::Report) if !is_error => {
                self.counts().await;
                self.moment("writing");
                let folder = self.home.folder();
                let written = files::write_results(self.session.tree(), folder, self.options.results);
                if let Err(e) = written {
                    reply = CallError::os(&e, "cannot write the results").reply("generate_report", false);
                }
            }
            Some(Effect::Xml) if self.options.xml => {
                self.counts().await;
                if let Err(e) = files::write_xml(self.session.tree(), self.home.folder()) {
                    reply = CallError::os(&e, "cannot write the results").reply("generate_xml", false);
                }
            }
            Some(Effect::Stop) => self.stop = true,
            _ => {}
        }
        let tree = self.session.tree();
        let bytes = match turn.object {
            Some(ix) if !is_error => framed_by(|to| write_object(tree, ix, to)),
            _ => framed(&reply),
        };
        self.send(conn, bytes);
        self.flush(conn);
    }

    fn subscribe(&mut self, conn: Conn, on: bool) {
        // pyATS's own server counts every subscription of a socket that has not registered, and never ends one.
        let strict = self.options.strict && !self.session.is_registered(conn);
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.subscribed = match (on, strict) {
                (true, false) => 1,
                (true, true) => connection.subscribed.saturating_add(1).min(MOST_SUBSCRIPTIONS),
                (false, false) => 0,
                (false, true) => connection.subscribed,
            };
        }
        self.listen();
    }

    fn listen(&mut self) {
        self.subscribers = self.conns.values().filter(|c| c.subscribed > 0).count();
        self.session.set_listened(self.subscribers > 0);
    }

    fn publish(&mut self, push: &Value) {
        if self.subscribers == 0 {
            return;
        }
        let bytes = framed(push);
        let mut gone = Vec::new();
        for (conn, connection) in self.conns.iter_mut().filter(|(_, c)| c.subscribed > 0) {
            if connection.outbox.is_empty() {
                connection.took = Instant::now();
            }
            let full = (0..connection.subscribed).any(|_| connection.outbox.push(Rc::clone(&bytes)).is_err());
            if full {
                gone.push(*conn);
            }
        }
        for conn in gone {
            self.forget(conn);
        }
        self.unflushed = true;
    }

    fn send(&mut self, conn: Conn, bytes: Rc<[u8]>) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if connection.outbox.is_empty() {
            connection.took = Instant::now();
        }
        if connection.outbox.push(bytes).is_err() {
            self.forget(conn);
        }
    }

    fn flush(&mut self, conn: Conn) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if connection.stuck {
            return;
        }
        match connection.outbox.send(&connection.stream) {
            Ok(progress) => {
                if progress {
                    connection.took = Instant::now();
                }
                if !connection.outbox.is_empty() {
                    connection.stuck = true;
                    spawn_local(wait_writable(conn, Rc::clone(&connection.stream), self.to.clone()));
                }
            }
            // The reading side hears of it as well.
            Err(_) => connection.outbox = Default::default(),
        }
    }

    /// Subscribers get it at once when little is going on, else in pieces of what gathers.
    fn flush_soon(&mut self) {
        if self.unflushed && self.flushed.elapsed() >= GATHER {
            self.flush_all();
        }
    }

    fn flush_all(&mut self) {
        self.unflushed = false;
        self.flushed = Instant::now();
        let subscribed: Vec<Conn> =
            self.conns.iter().filter(|(_, c)| c.subscribed > 0).map(|(n, _)| *n).collect();
        for conn in subscribed {
            self.flush(conn);
        }
    }

    fn forget(&mut self, conn: Conn) {
        if let Some(connection) = self.conns.remove(&conn) {
            // Whoever waits to read from it or write to it hears of it.
            connection.stream.close();
        }
        self.listen();
    }

    fn told(&mut self, told: Told) {
        match told.error {
            Some(error) => {
                self.uncounted.insert(told.ix, error);
            }
            None => {
                self.uncounted.remove(&told.ix);
                let mut turn = self.session.counted(told.ix, told.span, now());
                self.keep(&mut turn, false);
            }
        }
    }

    /// Waits for line counts; what cannot be counted becomes a remark in the report.
    async fn counts(&mut self) {
        let until = tokio::time::Instant::now() + COUNTS;
        while self.counter.waiting() > 0 {
            match tokio::time::timeout_at(until, self.counter.next()).await {
                Ok(Some(told)) => self.told(told),
                _ => break,
            }
        }
        for (ix, error) in std::mem::take(&mut self.uncounted) {
            let mut turn = self.session.remark(ix, error, now());
            self.keep(&mut turn, false);
        }
        // The files have it all the same; what could not be kept is tried again with the next call.
        let _ = self.journal.commit().await;
    }

    async fn renew(&mut self) -> Result<(), ServeError> {
        let names = [LeaseName::Job(self.journal.job())];
        match self.journal.store().renew(&names, &self.options.owner, LEASE.0).await {
            Err(e @ StoreError::Held { .. }) => Err(e.into()),
            // Anything else passes: the lease is asked for again in time.
            _ => Ok(()),
        }
    }

    async fn tick(&mut self) -> Result<(), ServeError> {
        let stalled: Vec<Conn> = self
            .conns
            .iter()
            .filter(|(_, c)| !c.outbox.is_empty() && c.took.elapsed() > STALLED)
            .map(|(n, _)| *n)
            .collect();
        for conn in stalled {
            self.forget(conn);
            let mut turn = self.session.closed(conn, now());
            self.keep(&mut turn, false);
            turn.pushes.iter().for_each(|push| self.publish(push));
        }
        if self.expected.is_some_and(|until| Instant::now() > until) {
            // Asked again later, while somebody may still come.
            self.expected = self.session.awaits().then(|| Instant::now() + EXPECTED / 10);
            let mut turn = self.session.give_up(now(), &files::is_running);
            self.keep(&mut turn, false);
            turn.pushes.iter().for_each(|push| self.publish(push));
        }
        if !self.journal.is_clean() {
            let _ = self.journal.commit().await;
        }
        // The job's process is gone, and nobody is left who could say more.
        if self.conns.is_empty() && !self.options.owner.is_alive() {
            self.orphaned().await;
        }
        self.flush_soon();
        Ok(())
    }

    /// Nobody will ask for the results any more: they are written all the same.
    async fn orphaned(&mut self) {
        tell!("oyez: process {} has ended without stopping its report server", self.options.owner.pid);
        self.stop = true;
        let mut turn = self.session.give_up(now(), &|_| false);
        self.keep(&mut turn, false);
        if self.session.tree().suite().is_some() {
            self.counts().await;
            let folder = self.home.folder().to_owned();
            let tree = self.session.tree();
            let results = files::write_results(tree, &folder, self.options.results);
            let xml = if self.options.xml { files::write_xml(tree, &folder) } else { Ok(()) };
            if let Err(e) = results.and(xml) {
                tell!("oyez: cannot write the results into {}: {e}", folder.display());
            }
        }
    }

    /// Everything comes to its end: connections, job, note.
    async fn finish(&mut self) -> Result<(), ServeError> {
        let conns: Vec<Conn> = self.conns.keys().copied().collect();
        for conn in conns {
            let mut turn = self.session.closed(conn, now());
            self.keep(&mut turn, false);
            turn.pushes.iter().for_each(|push| self.publish(push));
        }
        let mut turn = self.session.give_up(now(), &|_| false);
        self.keep(&mut turn, false);
        turn.pushes.iter().for_each(|push| self.publish(push));
        self.counts().await;
        self.keep_logs().await;
        let error = self.why_failed();
        let state = if error.is_some() { JobState::Failed } else { JobState::Completed };
        self.journal.add(now(), ProducerLeft {}.into());
        self.journal.add(now(), EventBody::from(JobStateChanged { state, error }));
        let kept = self.journal.commit().await;
        // Before the connections end, so that no client starts another server.
        if kept.is_ok()
            && let Some(note) = self.home.note()
        {
            self.home.leave(&super::Note { ended: true, ..note })?;
        }
        self.drain().await;
        self.home.unlink();
        let names = [LeaseName::Job(self.journal.job())];
        let _ = self.journal.store().release(&names, &self.options.owner).await;
        kept.map_err(ServeError::from)
    }

    /// What stands in the logs, into the journal, a few megabytes at a time.
    async fn keep_logs(&mut self) {
        // The tree and the files do not change any more.
        let folder = self.home.folder().to_owned();
        let mut batch = 0;
        for (time, body) in super::Texts::of(self.session.tree(), &folder) {
            if let EventBody::LogText(b) = &body {
                batch += b.text.0.len();
            }
            self.journal.add(time, body);
            if batch > 4 << 20 {
                batch = 0;
                if self.journal.commit().await.is_err() {
                    return;
                }
            }
        }
        let _ = self.journal.commit().await;
    }

    fn why_failed(&self) -> Option<String> {
        let tree = self.session.tree();
        match tree.suite() {
            None => Some("nothing was reported".to_owned()),
            Some(suite) if tree.node(suite).started.is_none() => {
                Some("the test suite never started".to_owned())
            }
            Some(_) => None,
        }
    }

    /// What waits to be sent is sent, for a moment.
    async fn drain(&mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            self.flush_all();
            let left: Vec<Conn> =
                self.conns.iter().filter(|(_, c)| !c.outbox.is_empty()).map(|(n, _)| *n).collect();
            if left.is_empty() || Instant::now() > until {
                return;
            }
            for conn in left {
                if let Some(connection) = self.conns.get_mut(&conn) {
                    connection.stuck = false;
                }
                self.flush(conn);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn framed(value: &Value) -> Rc<[u8]> {
    framed_by(|to| pickle::write_into(value, to))
}

fn framed_by(write: impl FnOnce(&mut Vec<u8>)) -> Rc<[u8]> {
    let mut out = Vec::with_capacity(256);
    frame::encode_with(&mut out, write);
    out.into()
}

async fn accept(listener: UnixListener, to: Sender<Inbound>) {
    let own = rustix::process::geteuid().as_raw();
    let mut conn = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptor is free, say: it passes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // What comes back may hold objects that only their own user should unpickle.
        if stream.peer_cred().is_ok_and(|peer| peer.uid() != own) {
            continue;
        }
        conn += 1;
        let Ok(stream) = Socket::new(stream) else { continue };
        if to.send(Inbound::Opened(conn, Rc::new(stream))).await.is_err() {
            return;
        }
    }
}

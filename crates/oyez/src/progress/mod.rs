//! What is seen while a job runs. On a terminal a live tree with bars, elsewhere plain lines; both read the same
//! [`board::Board`], which folds the events as they are recorded.

pub mod board;
mod live;
mod plain;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use oyez_engine::Observer;
use oyez_model::{Event, EventSeq};
use oyez_store::NewEvent;

use crate::show;
use board::Board;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A live tree.
    Live,
    /// Lines, one for each thing worth a line.
    Plain,
    /// Nothing but warnings.
    Silent,
}

impl Style {
    /// Live on a terminal, else lines.
    #[must_use]
    pub fn fitting() -> Style {
        if show::can_draw() { Style::Live } else { Style::Plain }
    }
}

/// Shows progress on standard error until it is finished.
pub struct Display {
    board: Arc<Board>,
    style: Style,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The board as the engine's observer.
#[derive(Debug)]
struct Watcher {
    board: Arc<Board>,
}

impl Observer for Watcher {
    fn event(&self, _: u64, event: &NewEvent) {
        self.board.heard(event);
    }

    fn notice(&self, text: &str) {
        self.board.note(text);
    }
}

impl Display {
    /// Begins to show.
    #[must_use]
    pub fn start(style: Style) -> Self {
        let board = Arc::new(Board::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (shown, ended) = (board.clone(), stop.clone());
        let draw = move || match style {
            Style::Live => live::draw(&shown, &ended),
            Style::Plain => plain::draw(&shown, &ended),
            Style::Silent => silent(&shown, &ended),
        };
        // Without a thread nothing is shown; the job runs all the same.
        let thread = std::thread::Builder::new().name("oyez-progress".to_owned()).spawn(draw).ok();
        Display { board, style, stop, thread }
    }

    /// What tells it of events.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Watcher { board: self.board.clone() })
    }

    /// One more event, of a job that somebody else runs.
    pub fn heard(&self, seq: EventSeq, event: &Event) {
        self.board.take(seq, event);
    }

    /// Says things above the tree, or as lines.
    pub fn teller(&self) -> impl Fn(&str) + Send + use<> {
        let board = self.board.clone();
        move |text| board.note(text)
    }

    /// The last draw; the display is gone afterwards.
    pub fn finish(mut self) -> Style {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        self.style
    }
}

/// Between two draws.
const TICK: Duration = Duration::from_millis(100);

fn silent(board: &Board, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        board.take_notes().iter().for_each(|note| tell!("{note}"));
        std::thread::park_timeout(TICK);
    }
    board.take_notes().iter().for_each(|note| tell!("{note}"));
}

//! What a report says: the neutral items that the reader gives out.

/// One thing that the report says, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// A `<testsuites>` or `<testsuite>` begins.
    SuiteStart(Box<Suite>),
    /// A whole `<testcase>`: given out only when its end tag was read.
    Case(Box<Case>),
    /// A `<property>` of the innermost open suite. Those of a case stand in [`Case::properties`].
    Property {
        /// Its `name`; empty if it has none.
        name: String,
        /// Its `value`, or its text without the white space around it if it has no such attribute.
        value: String,
        /// Bytes cut from either because a limit was reached.
        dropped_bytes: u64,
    },
    /// A `<system-out>` of the innermost open suite.
    SystemOut(Text),
    /// A `<system-err>` of the innermost open suite.
    SystemErr(Text),
    /// A `<failure>`, `<error>` or `<skipped>` that stands in a suite itself, as some tools write when set-up broke.
    SuiteMessage(Box<Message>),
    /// The innermost open suite ends.
    SuiteEnd(Box<SuiteEnd>),
}

/// The start tag of a suite.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Suite {
    /// Empty if the file gives none (Nette Tester).
    pub name: String,
    /// True for `<testsuites>`, which groups the suites of a file and is hardly ever a suite of its own.
    pub wrapper: bool,
    /// Suites around this one: 0 for the root.
    pub depth: usize,
    /// `package`.
    pub package: Option<String>,
    /// `file`: the source of the suite.
    pub file: Option<String>,
    /// `timestamp`, as written: writers disagree on zone and form.
    pub timestamp: Option<String>,
    /// `time`, in seconds.
    pub time: Option<f64>,
    /// `hostname`.
    pub hostname: Option<String>,
    /// `id`, or nextest's `uuid`.
    pub id: Option<String>,
    /// What the tag says is to come.
    pub announced: Announced,
    /// The other attributes, by name, in the order of the file.
    pub attributes: Vec<(String, String)>,
    /// Bytes cut from this tag because a limit was reached.
    pub dropped_bytes: u64,
}

/// The numbers of cases that a suite's start tag names. Whether nested suites are counted in is up to the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announced {
    /// `tests`.
    pub tests: Option<u64>,
    /// `failures`.
    pub failures: Option<u64>,
    /// `errors`.
    pub errors: Option<u64>,
    /// `skipped`, or its old spellings `skips` and `skip`.
    pub skipped: Option<u64>,
    /// `disabled` (GoogleTest, nextest).
    pub disabled: Option<u64>,
    /// `assertions` (PHPUnit).
    pub assertions: Option<u64>,
}

/// Cases that were read, by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All of them.
    pub tests: u64,
    /// [`Status::Failed`].
    pub failures: u64,
    /// [`Status::Errored`].
    pub errors: u64,
    /// [`Status::Skipped`].
    pub skipped: u64,
}

impl Tally {
    /// Counts one case.
    pub(super) fn count(&mut self, status: Status) {
        self.tests += 1;
        match status {
            Status::Passed => {}
            Status::Failed => self.failures += 1,
            Status::Errored => self.errors += 1,
            Status::Skipped => self.skipped += 1,
        }
    }

    /// Counts in all that another counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }
}

/// The end of a suite, with what was announced beside what came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SuiteEnd {
    /// As in its [`Suite`].
    pub name: String,
    /// As in its [`Suite`].
    pub wrapper: bool,
    /// As in its [`Suite`].
    pub depth: usize,
    /// As in its [`Suite`].
    pub announced: Announced,
    /// The cases that stood in the suite and in all suites within it.
    pub seen: Tally,
}

impl SuiteEnd {
    /// `(announced, seen)` if fewer cases came than `tests` announced.
    ///
    /// This is a reason to look, not a proof: pytest counts subtests that it writes no case for. More cases than announced
    /// are nothing to say (Jest announces 0 for a file that did not compile, and adds a case that says so).
    #[must_use]
    pub fn shortfall(&self) -> Option<(u64, u64)> {
        self.announced
            .tests
            .filter(|&announced| announced > self.seen.tests)
            .map(|announced| (announced, self.seen.tests))
    }
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Status {
    /// Nothing says otherwise.
    #[default]
    Passed,
    /// It did not run, or its result does not count.
    Skipped,
    /// It ran and found something wrong.
    Failed,
    /// It could not come to an answer.
    Errored,
}

/// One `<testcase>`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Case {
    /// Empty if the file gives none.
    pub name: String,
    /// `classname`.
    pub classname: Option<String>,
    /// `file`.
    pub file: Option<String>,
    /// `line`, from 1 (some writers count from 0).
    pub line: Option<u64>,
    /// `time`, in seconds.
    pub time: Option<f64>,
    /// `timestamp`, as written.
    pub timestamp: Option<String>,
    /// The outcome, by the rules of the module's head.
    pub status: Status,
    /// Every `<failure>`, `<error>`, `<skipped>` and `<warning>`, in the order of the file.
    pub messages: Vec<Message>,
    /// Attempts other than the one that counts, in the order of the file.
    pub reruns: Vec<Attempt>,
    /// All `<system-out>` elements, joined.
    pub system_out: Option<Text>,
    /// All `<system-err>` elements, joined.
    pub system_err: Option<Text>,
    /// `<property>` elements, name and value.
    pub properties: Vec<(String, String)>,
    /// `assertions`.
    pub assertions: Option<u64>,
    /// The other attributes, by name, in the order of the file.
    pub attributes: Vec<(String, String)>,
    /// Bytes cut anywhere in this case because a limit was reached; those of its texts are counted in.
    pub dropped_bytes: u64,
    /// Messages, attempts, properties and attributes left out because there were too many.
    pub dropped_parts: u64,
}

impl Case {
    /// The message that explains [`Case::status`]: the first of the kind that decided it.
    #[must_use]
    pub fn reason(&self) -> Option<&Message> {
        self.messages.iter().find(|message| message.kind.status() == Some(self.status))
    }
}

/// What kind of message stands in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// `<failure>`.
    Failure,
    /// `<error>`.
    Error,
    /// `<skipped>`.
    Skipped,
    /// `<warning>` (PHPUnit up to 9): says something, decides nothing.
    Warning,
}

impl MessageKind {
    /// The status that a message of this kind gives its case.
    #[must_use]
    pub fn status(self) -> Option<Status> {
        match self {
            Self::Failure => Some(Status::Failed),
            Self::Error => Some(Status::Errored),
            Self::Skipped => Some(Status::Skipped),
            Self::Warning => None,
        }
    }
}

/// One `<failure>`, `<error>`, `<skipped>` or `<warning>`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Which of them.
    pub kind: MessageKind,
    /// `type`: mostly the class of an exception.
    pub r#type: Option<String>,
    /// `message`: the short form; for `<skipped>` the reason.
    pub message: Option<String>,
    /// What stands in the element: mostly a stack trace.
    pub text: Text,
    /// Bytes cut from its attributes because a limit was reached.
    pub dropped_bytes: u64,
}

impl Message {
    /// The first thing there is to say: the `message` attribute, else the first line of the text that is not blank.
    #[must_use]
    pub fn headline(&self) -> Option<&str> {
        let attribute = self.message.as_deref().filter(|message| !message.trim().is_empty());
        attribute.or_else(|| self.text.text.lines().map(str::trim).find(|line| !line.is_empty()))
    }
}

/// Which attempt of a repeated case is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    /// `<rerunFailure>`: failed again; the case failed in the end.
    RerunFailure,
    /// `<rerunError>`: as before, with an error.
    RerunError,
    /// `<flakyFailure>`: failed; the case passed in the end.
    FlakyFailure,
    /// `<flakyError>`: as before, with an error.
    FlakyError,
}

/// One attempt of a case other than the one that counts (Surefire, nextest).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which element told of it.
    pub kind: AttemptKind,
    /// `type`.
    pub r#type: Option<String>,
    /// `message`.
    pub message: Option<String>,
    /// `<stackTrace>`, or the element's own text where it has none (Surefire before 2.22.1).
    pub text: Text,
    /// `time`, in seconds (nextest).
    pub time: Option<f64>,
    /// `timestamp`, as written (nextest).
    pub timestamp: Option<String>,
    /// `<system-out>`.
    pub system_out: Option<Text>,
    /// `<system-err>`.
    pub system_err: Option<Text>,
    /// Bytes cut from its attributes because a limit was reached.
    pub dropped_bytes: u64,
}

/// A text that may have been cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// With references resolved and line ends as `\n`.
    pub text: String,
    /// Bytes that came after `text` and were not kept, because a limit was reached.
    pub dropped_bytes: u64,
}

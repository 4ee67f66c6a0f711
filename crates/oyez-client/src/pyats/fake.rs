//! A server that answers as it is told, and the client's behaviour towards it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use oyez_model::{Outcome, Value};
use oyez_wire::pyats::frame::{self, Frames};
use oyez_wire::pyats::objects::{exception, map};
use oyez_wire::pyats::pickle::{self, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

/// What it does with a request.
enum Do {
    Answer(Value),
    /// Bytes as they are.
    Bytes(Vec<u8>),
    Close,
    Nothing,
}

/// Everything that was asked, in order, over all connections.
type Asked = Arc<Mutex<Vec<Value>>>;

fn name(request: &Value) -> String {
    request.get("name").and_then(Value::as_str).unwrap().to_owned()
}

/// Serves one connection after another; ping and registration go by themselves.
fn serve(path: &Path, asked: &Asked, mut plan: impl FnMut(&Value) -> Do + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    let asked = Arc::clone(asked);
    tokio::spawn(async move {
        'next: loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut frames, mut buffer) = (Frames::default(), vec![0; 1 << 16]);
            loop {
                let Ok(n @ 1..) = stream.read(&mut buffer).await else { continue 'next };
                let mut arrived = &buffer[..n];
                let mut out = Vec::new();
                while let Some(message) = frames.next(&mut arrived).unwrap() {
                    let request = pickle::read(message, &Limits::default()).unwrap();
                    asked.lock().unwrap().push(request.clone());
                    let deed = match name(&request).as_str() {
                        "ping" if request.get("number").is_none() => Do::Answer(Value::text("pong")),
                        "register_client" => Do::Answer(Value::Null),
                        _ => plan(&request),
                    };
                    match deed {
                        Do::Answer(value) => frame::encode(&pickle::write(&value), &mut out),
                        Do::Bytes(bytes) => out.extend(bytes),
                        Do::Close => continue 'next,
                        Do::Nothing => {}
                    }
                }
                let _ = stream.write_all(&out).await;
            }
        }
    });
}

struct Run {
    folder: tempfile::TempDir,
    asked: Asked,
}

impl Run {
    fn new(plan: impl FnMut(&Value) -> Do + Send + 'static) -> Run {
        let run = Run { folder: tempfile::tempdir().unwrap(), asked: Asked::default() };
        serve(&run.socket(), &run.asked, plan);
        run
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("reporter.sock")
    }

    /// What a server of Oyez leaves.
    fn note(&self, ended: bool) {
        std::fs::write(self.folder.path().join("oyez.json"), format!(r#"{{"ended": {ended}}}"#)).unwrap();
    }

    fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(name).collect()
    }

    async fn client(&self) -> ReportClient {
        Options::new()
            .patience(Duration::from_secs(5))
            .pid("17")
            .ppid("4")
            .connect(self.socket())
            .await
            .unwrap()
    }
}

fn raised(name: &str, text: &str) -> Value {
    map([("exception", exception("pyats.reporter.exceptions", name, vec![Value::text(text)]))])
}

#[tokio::test]
async fn a_client_says_who_it_is_and_numbers_its_calls() {
    let run = Run::new(|_| Do::Answer(Value::Null));
    let mut client = run.client().await;
    client.start_section("boots", Arguments::new().with("type", "Step")).await.unwrap();
    client.stop_section(Arguments::new().with("result", Outcome::Passed)).await.unwrap();
    assert_eq!(run.names(), ["ping", "register_client", "start_section", "stop_section"]);
    let asked = run.asked.lock().unwrap();
    let who = asked[1].get("data").unwrap();
    assert_eq!((who.get("pid"), who.get("ppid")), (Some(&Value::text("17")), Some(&Value::text("4"))));
    assert_eq!(who.get("resume"), Some(&Value::Bool(false)));
    assert!(who.get("token").and_then(Value::as_str).is_some_and(|token| token.len() == 32));
    assert_eq!(
        (asked[2].get("number"), asked[3].get("number")),
        (Some(&Value::Int(1)), Some(&Value::Int(2)))
    );
    let result = asked[3].get("data").and_then(|data| data.get("result")).unwrap();
    assert_eq!(TestResult::from_value(result), Some(Outcome::Passed.into()));
}

#[tokio::test]
async fn a_call_that_a_killed_server_did_not_answer_is_repeated_under_its_number() {
    let mut times = 0;
    let run = Run::new(move |_| {
        times += 1;
        if times == 2 { Do::Close } else { Do::Answer(Value::Null) }
    });
    run.note(false);
    let mut client = run.client().await;
    client.start_task("T1", Arguments::new()).await.unwrap();
    client.add_detail("one").await.unwrap();
    let names =
        ["ping", "register_client", "start_task", "add_detail", "ping", "register_client", "add_detail"];
    assert_eq!(run.names(), names);
    let asked = run.asked.lock().unwrap();
    assert_eq!(asked[3], asked[6]);
    assert_eq!(asked[5].get("data").and_then(|data| data.get("resume")), Some(&Value::Bool(true)));
    let token = |at: usize| asked[at].get("data").and_then(|data| data.get("token")).cloned();
    assert_eq!(token(1), token(5));
}

#[tokio::test]
async fn a_server_that_would_not_remember_is_not_waited_for() {
    for note in [None, Some(true)] {
        let run = Run::new(|_| Do::Close);
        if let Some(ended) = note {
            run.note(ended);
        }
        let mut client = run.client().await;
        let first = client.add_detail("x").await;
        assert!(matches!(first, Err(Error::ConnectionClosed { .. })), "{first:?}");
        let later = client.add_detail("x").await;
        assert!(matches!(later, Err(Error::ConnectionBroken { .. })), "{later:?}");
        client.reconnect().await.unwrap();
        assert_eq!(run.names(), ["ping", "register_client", "add_detail", "ping", "register_client"]);
    }
}

#[tokio::test]
async fn a_call_that_breaks_every_connection_is_given_up() {
    let run = Run::new(|_| Do::Close);
    run.note(false);
    let failed = run.client().await.add_detail("x").await;
    assert!(matches!(failed, Err(Error::ConnectionClosed { .. })), "{failed:?}");
}

#[tokio::test]
async fn exceptions_come_back_under_their_own_names() {
    let replies = [
        raised("DuplicateIDError", "taken"),
        raised("InvalidRequestError", "not now"),
        raised("UnregisteredClientError", "who"),
        map([
            ("exception", exception("builtins", "KeyError", vec![Value::text("id")])),
            ("traceback", "x".into()),
        ]),
        map([("exception", Value::Int(3))]),
    ];
    let mut left = replies.into_iter();
    let run = Run::new(move |_| Do::Answer(left.next().unwrap()));
    let mut client = run.client().await;
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(client.start_task("T", Arguments::new()).await.unwrap_err());
    }
    assert!(matches!(&said[0], Error::DuplicateId(e) if e.text() == "taken"));
    assert!(matches!(&said[1], Error::InvalidRequest(_)));
    assert_eq!(said[1].to_string(), "start_task: InvalidRequestError: not now");
    assert!(matches!(&said[2], Error::UnregisteredClient(_)));
    let key = said[3].raised().unwrap();
    assert_eq!((key.name.as_str(), key.traceback.as_deref()), ("KeyError", Some("x")));
    assert!(matches!(&said[4], Error::MessageReceive { .. }));
}

#[tokio::test]
async fn an_answer_that_is_no_pickle_spoils_only_its_own_call() {
    let mut bad = true;
    let run = Run::new(move |_| {
        if std::mem::take(&mut bad) { Do::Bytes(b"\0\0\x02no".to_vec()) } else { Do::Answer(Value::Null) }
    });
    let mut client = run.client().await;
    let failed = client.add_detail("x").await;
    assert!(matches!(failed, Err(Error::MessageReceive { .. })), "{failed:?}");
    client.add_detail("x").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one() {
    let mut answers = ["late", "pong"].into_iter();
    let run = Run::new(move |_| Do::Answer(Value::text(answers.next().unwrap())));
    let mut client = run.client().await;
    // Polled once and dropped: it has been sent, or the next call sends it.
    let mut call = Box::pin(client.add_detail("x"));
    let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
    assert!(polled.is_pending());
    drop(call);
    client.ping().await.unwrap();
    assert_eq!(run.names(), ["ping", "register_client", "add_detail", "ping"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_for_ever() {
    let run = Run::new(|_| Do::Nothing);
    let options = Options::new().reply_within(Duration::from_millis(20));
    let none = options.connect(run.socket()).await.unwrap().ping().await;
    assert!(matches!(none, Err(Error::NoAnswer { .. })), "{none:?}");
}

#[tokio::test]
async fn nobody_at_the_socket_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let failed =
        Options::new().patience(Duration::from_millis(30)).connect(folder.path().join("none.sock")).await;
    assert!(matches!(failed, Err(Error::ServerNotStarted { .. })), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, asked) = (folder.path().join("reporter.sock"), Asked::default());
    let connecting = tokio::spawn(ReportClient::connect(path.clone()));
    tokio::task::yield_now().await;
    serve(&path, &asked, |_| Do::Answer(Value::Null));
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn events_come_typed_and_answers_among_them_are_passed_over() {
    let run = Run::new(|_| {
        let event = |name: &str| {
            map([
                ("type", "Step".into()),
                ("seq_num", 7.into()),
                ("idlist", Value::List(vec!["T".into(), "s".into()])),
                ("result", Arguments::new().with("r", Outcome::Failed).get("r").unwrap().clone()),
                ("event", Value::text(name)),
                ("logs", map([("file", "TaskLog.T".into()), ("begin", 3.into()), ("size", 4.into())])),
            ])
        };
        let mut out = Vec::new();
        for value in [Value::Null, event("start_section"), Value::Null, event("something_new")] {
            frame::encode(&pickle::write(&value), &mut out);
        }
        Do::Bytes(out)
    });
    let mut events = subscribe(run.socket()).await.unwrap();
    let mut next = async || {
        std::future::poll_fn(|c| futures_core::Stream::poll_next(std::pin::Pin::new(&mut events), c)).await
    };
    let first = next().await.unwrap().unwrap();
    assert_eq!((first.event, first.seq_num), (EventName::StartSection, Some(7)));
    assert_eq!(first.path, ["T", "s"]);
    assert_eq!(first.result, Some(Outcome::Failed.into()));
    assert_eq!(
        first.log.map(|log| (log.file, log.begin, log.size)),
        Some(("TaskLog.T".to_owned(), 3, Some(4)))
    );
    let second = next().await.unwrap().unwrap();
    assert_eq!(second.event, EventName::Other("something_new".to_owned()));
}

#[tokio::test]
async fn a_section_comes_typed() {
    let run = Run::new(|request| {
        let path = request.get("data").and_then(|data| data.get("id_list")).cloned().unwrap();
        Do::Answer(match path {
            Value::List(ids) if ids.is_empty() => Value::Null,
            ids => map([
                ("type", "Testcase".into()),
                ("id", "c".into()),
                ("fullid", "T.c".into()),
                ("idlist", ids),
                ("result", Value::Null),
                ("sections", Value::List(vec!["one".into(), "two".into()])),
                ("seq_num", 4.into()),
            ]),
        })
    });
    let mut client = run.client().await;
    assert_eq!(client.get_section(&[]).await.unwrap(), None);
    let section = client.get_section(&["T", "c"]).await.unwrap().unwrap();
    assert_eq!((section.kind.as_str(), section.full_id.as_str()), ("Testcase", "T.c"));
    assert_eq!(
        (section.path, section.children),
        (vec!["T".to_owned(), "c".to_owned()], vec!["one".to_owned(), "two".to_owned()])
    );
    assert_eq!(section.result, None);
}

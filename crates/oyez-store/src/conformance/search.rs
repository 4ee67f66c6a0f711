//! Rules about searching logs, and about tags.

use oyez_model::event::{LogText, Stream, Target, TargetAcquired};
use oyez_model::{EventSeq, JobId, JobState, ProducerId, SectionRef};

use super::events::{self, at, batch, begin, job, line, state, test};
use super::{Form, clock};
use crate::api::{NewEvent, Store};
use crate::error::StoreError;
use crate::search::{Level, LogCursor, LogPage, LogQuery, Pattern, TagFilter};

/// What is found, as job, event and line.
fn places(page: &LogPage) -> Vec<(u64, u64, u32)> {
    page.hits.iter().map(|hit| (hit.job.0, hit.seq.0, hit.line)).collect()
}

fn text(text: &str) -> LogQuery {
    LogQuery { pattern: Some(Pattern::literal(text).unwrap()), ..LogQuery::default() }
}

fn regex(regex: &str) -> LogQuery {
    LogQuery { pattern: Some(Pattern::regex(regex).unwrap()), ..LogQuery::default() }
}

async fn find(store: &dyn Store, query: LogQuery) -> Vec<(u64, u64, u32)> {
    let page = store.search_logs(query).await.unwrap();
    assert_eq!((page.next, page.notes.clone()), (None, vec![]));
    places(&page)
}

/// Jobs 1 and 2 with log, the first has ended.
async fn filled(form: &dyn Form) -> std::sync::Arc<dyn Store> {
    let store = form.open(clock());
    for n in 1..=2 {
        let tags: &[&str] = if n == 1 { &["nightly", "arm"] } else { &["nightly"] };
        let id = store.create_job(job(n, tags, &[])).await.unwrap();
        let said = |section: u64, millis: i64, level: Option<&str>, text: &str| {
            let text = text.as_bytes().to_vec().into();
            let id = SectionRef::own(section);
            let level = level.map(str::to_owned);
            NewEvent::new(at(millis), LogText { id, stream: Stream::Stderr, text, level })
        };
        let target = Target { id: "T1".to_owned(), ..Target::default() };
        let events = vec![
            state(JobState::Started),
            test(1, "boot"),
            NewEvent::new(at(2), TargetAcquired { id: 2, test: SectionRef::own(1), target }),
            begin(3, 2, "power on"),
            said(3, 10, None, "Powering on\nERROR: no Power\r\nstill no power\n"),
            said(1, 20, Some("warning"), "the fan is loud"),
            said(0, 30, None, &format!("job {n} says goodbye")),
        ];
        store.append(id, batch(ProducerId::FIRST, 2, events)).await.unwrap();
    }
    store.append(JobId(1), batch(ProducerId::FIRST, 9, vec![state(JobState::Completed)])).await.unwrap();
    store
}

/// Texts are found in either case, regular expressions by line, newest job first and in order.
pub async fn lines_are_found_by_text_and_by_regular_expression(form: &dyn Form) {
    let store = filled(form).await;
    let power = [(2, 6, 0), (2, 6, 1), (2, 6, 2), (1, 6, 0), (1, 6, 1), (1, 6, 2)];
    assert_eq!(find(&*store, text("POWER")).await, power);
    assert_eq!(find(&*store, regex("^power|no power$")).await, power);
    assert_eq!(find(&*store, regex("(?-i)no Power$")).await, [(2, 6, 1), (1, 6, 1)]);
    assert_eq!(find(&*store, text("goodbye")).await, [(2, 8, 0), (1, 8, 0)]);
    assert_eq!(find(&*store, text("on")).await, [(2, 6, 0), (1, 6, 0)]);
    assert_eq!(find(&*store, text("power\nERROR")).await, [], "a line has no end in it");
    assert_eq!(find(&*store, text("no power.")).await, [], "a text is no regular expression");
    assert_eq!(find(&*store, LogQuery::default()).await.len(), 10);
    assert_eq!(find(&*store, regex("x*")).await.len(), 10);
}

/// A hit says where it was found.
pub async fn a_hit_names_its_job_section_and_target(form: &dyn Form) {
    let store = filled(form).await;
    for number in [1, 2] {
        let query = LogQuery { job: Some(JobId(number)), ..text("error") };
        let page = store.search_logs(query).await.unwrap();
        let [hit] = &page.hits[..] else { panic!("{page:?}") };
        assert_eq!((hit.job, hit.seq, hit.line), (JobId(number), EventSeq(6), 1));
        assert_eq!((hit.uid, hit.name.clone()), (events::uid(number as u8), format!("job {number}")));
        assert_eq!((hit.path.as_str(), hit.target.as_deref()), ("boot/T1/power on", Some("T1")));
        assert_eq!((hit.time, hit.stream, hit.level), (at(10), Stream::Stderr, Some(Level::Error)));
        assert_eq!((hit.text.as_str(), hit.is_cut), ("ERROR: no Power", false));
    }
    let page = store.search_logs(text("goodbye")).await.unwrap();
    assert_eq!((page.hits[0].path.as_str(), page.hits[0].target.clone()), ("", None));
    let page = store.search_logs(text("loud")).await.unwrap();
    assert_eq!((page.hits[0].path.as_str(), page.hits[0].level), ("boot", Some(Level::Warning)));
}

/// All that is set must hold.
pub async fn logs_are_searched_by_job_tag_level_and_time(form: &dyn Form) {
    let store = filled(form).await;
    let all = LogQuery::default;
    assert_eq!(find(&*store, LogQuery { job: Some(JobId(1)), ..text("fan") }).await, [(1, 7, 0)]);
    let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
    assert_eq!(find(&*store, LogQuery { tags: tags(&["arm"]), ..text("fan") }).await, [(1, 7, 0)]);
    assert_eq!(find(&*store, LogQuery { tags: tags(&["nightly", "arm"]), ..text("fan") }).await, [(1, 7, 0)]);
    assert_eq!(find(&*store, LogQuery { tags: tags(&["nightly"]), ..text("fan") }).await.len(), 2);
    assert_eq!(find(&*store, LogQuery { tags: tags(&["mips"]), ..all() }).await, []);
    let none = LogQuery { job: Some(JobId(2)), tags: tags(&["arm"]), ..all() };
    assert_eq!(find(&*store, none).await, []);
    let levels = |words: &str| LogQuery { levels: words.parse().unwrap(), job: Some(JobId(1)), ..all() };
    assert_eq!(find(&*store, levels("error,critical")).await, [(1, 6, 1)]);
    assert_eq!(find(&*store, levels("warn,error")).await, [(1, 6, 1), (1, 7, 0)]);
    assert_eq!(find(&*store, levels("none")).await, [(1, 6, 0), (1, 6, 2), (1, 8, 0)]);
    let since = LogQuery { since: Some(at(20)), ..all() };
    assert_eq!(find(&*store, since).await, [(2, 7, 0), (2, 8, 0), (1, 7, 0), (1, 8, 0)]);
    let within = LogQuery { since: Some(at(11)), until: Some(at(20)), ..text("a") };
    assert_eq!(find(&*store, within).await, [(2, 7, 0), (1, 7, 0)]);
    let never = LogQuery { since: Some(at(31)), ..all() };
    assert_eq!(find(&*store, never).await, []);
    let nobody = store.search_logs(LogQuery { job: Some(JobId(9)), ..all() }).await.unwrap_err();
    assert_eq!(nobody, StoreError::NoJob(JobId(9)));
}

/// Page by page nothing is left out and nothing comes twice, also when little may be looked at for each.
pub async fn a_cursor_goes_on_where_the_page_before_ended(form: &dyn Form) {
    let store = filled(form).await;
    let whole = find(&*store, LogQuery::default()).await;
    for (limit, effort) in [(1, u64::MAX), (3, u64::MAX), (10, 1), (2, 50), (1000, u64::MAX)] {
        let (mut seen, mut from, mut pages) = (Vec::new(), None, 0);
        loop {
            let page =
                store.search_logs(LogQuery { from, limit, effort, ..LogQuery::default() }).await.unwrap();
            assert!(page.hits.len() <= limit);
            seen.extend(places(&page));
            pages += 1;
            assert!(pages < 1000, "it does not come to an end: {:?}", page.next);
            let Some(next) = page.next else { break };
            from = Some(next.to_string().parse::<LogCursor>().unwrap());
        }
        assert_eq!(seen, whole, "limit {limit}, effort {effort}");
    }
    // A full page after which nothing comes is the last.
    let page = store.search_logs(LogQuery { limit: 10, ..LogQuery::default() }).await.unwrap();
    assert_eq!((page.hits.len(), page.next), (10, None));
    for beyond in [LogCursor::of(JobId(u64::MAX)), LogCursor { line: 99, ..LogCursor::of(JobId(0)) }] {
        let page = store.search_logs(LogQuery { from: Some(beyond), ..LogQuery::default() }).await.unwrap();
        assert_eq!(page.hits.len(), if beyond.job.0 == 0 { 0 } else { 10 });
    }
}

/// What was acked a moment ago is found.
pub async fn the_newest_line_of_a_running_job_is_found(form: &dyn Form) {
    let store = filled(form).await;
    for i in 0..20 {
        let word = format!("needle-{i}-needle");
        let events = vec![line(3, &word)];
        store.append(JobId(2), batch(ProducerId::FIRST, 9 + i, events)).await.unwrap();
        assert_eq!(find(&*store, text(&word)).await, [(2, 9 + i, 0)]);
    }
}

/// What is not UTF-8 is found as it is shown; what no terminal can show does no harm.
pub async fn log_that_is_not_text_is_searched_as_it_is_shown(form: &dyn Form) {
    let store = filled(form).await;
    let log = |bytes: &[u8]| {
        let body =
            LogText { id: SectionRef::JOB, stream: Stream::Stdout, text: bytes.to_vec().into(), level: None };
        NewEvent::new(at(40), body)
    };
    let long = [vec![b'x'; 1 << 20], b"haystack\xff".to_vec()].concat();
    let odd =
        vec![log(b"caf\xe9 au lait\n\xff\xfe\0null\x1b[31m"), log("Straße ÄÖÜ 测试".as_bytes()), log(&long)];
    store.append(JobId(2), batch(ProducerId::FIRST, 9, odd)).await.unwrap();
    assert_eq!(find(&*store, text("caf\u{fffd} au")).await, [(2, 9, 0)]);
    assert_eq!(find(&*store, text("\0null\x1b")).await, [(2, 9, 1)]);
    assert_eq!(find(&*store, text("straße äöü")).await, [(2, 10, 0)]);
    assert_eq!(find(&*store, text("测试")).await, [(2, 10, 0)]);
    assert_eq!(find(&*store, regex("haystack.$")).await, [(2, 11, 0)]);
    let page = store.search_logs(text("haystack")).await.unwrap();
    assert!(page.hits[0].is_cut && page.hits[0].text.contains("haystack"));
}

/// Tags, with how many jobs have them.
pub async fn tags_are_counted_and_found_by_pattern(form: &dyn Form) {
    let store = filled(form).await;
    store.create_job(job(3, &["zeta", "_instance", "nightly"], &[])).await.unwrap();
    let tags = async |filter: TagFilter| -> Vec<(String, u64)> {
        store.tags(filter).await.unwrap().into_iter().map(|tag| (tag.name, tag.jobs)).collect()
    };
    let named = |all: &[(&str, u64)]| all.iter().map(|(tag, n)| ((*tag).to_owned(), *n)).collect::<Vec<_>>();
    let all = named(&[("_instance", 1), ("arm", 1), ("nightly", 3), ("zeta", 1)]);
    assert_eq!(tags(TagFilter::default()).await, all);
    assert_eq!(tags(TagFilter { limit: 2, ..TagFilter::default() }).await, all[..2]);
    let after = TagFilter { after: Some("arm".to_owned()), limit: 1, ..TagFilter::default() };
    assert_eq!(tags(after).await, all[2..3]);
    let pattern = Some(Pattern::regex("^N.*ly|et").unwrap());
    assert_eq!(tags(TagFilter { pattern, ..TagFilter::default() }).await, all[2..]);
}

//! One byte of the file is another one: harmless, or a clear error; never a panic, never wrong events in silence.

use std::collections::BTreeMap;
use std::path::Path;

use oyez_model::{Event, EventSeq, JobId, JobState, Outcome, ProducerId};
use oyez_store::conformance::blob::noise;
use oyez_store::conformance::events::{batch, begin, end, job, left, line, lines, producer, state, test};
use oyez_store::conformance::read::whole_tree;
use oyez_store::sim::Seed;
use oyez_store::{SqliteOptions, Store, StoreError};
use tempfile::TempDir;

use super::{assert_clean, check, journal, open, options, raw, runtime, settle};

type Truth = BTreeMap<JobId, Vec<(EventSeq, Event)>>;

/// Three jobs: one large and ended, one small and ended, one that runs; settled. With all their events.
fn filled() -> (TempDir, Truth) {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let mut truth = Truth::new();
    runtime().block_on(async {
        for n in 1..=3 {
            let mut new = job(n, &["tag"], &["guid", &format!("guid {n}")]);
            new.then.push(state(JobState::Started));
            let id = store.create_job(new).await.unwrap();
            let sections = [700, 10, 40][usize::from(n) - 1];
            let mut events = vec![test(1, "t")];
            for s in 2..sections + 2 {
                let outcome = if s % 5 == 0 { Outcome::Failed } else { Outcome::Passed };
                let text = format!("section {s} says {:?}", noise(s, 30));
                events.extend([begin(s, 1, &format!("section {s}")), line(s, &text), end(s, Some(outcome))]);
            }
            let mut first = 1;
            for part in events.chunks(97) {
                store.append(id, batch(producer(1), first, part.to_vec())).await.unwrap();
                first += part.len() as u64;
            }
            store.append(id, batch(producer(2), 1, vec![line(0, "a guest"), left()])).await.unwrap();
            if n < 3 {
                store.append(id, batch(producer(1), first, vec![end(1, None), left()])).await.unwrap();
                let ended = batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)]);
                store.append(id, ended).await.unwrap();
            }
            store.put_blob(noise(n.into(), 3000)).await.unwrap();
        }
        store.close().await.unwrap();
        for n in 1..=3 {
            truth.insert(JobId(n), journal(&*store, JobId(n)).await.unwrap());
        }
    });
    drop(store);
    // So that nothing stands in it twice, once in a page that is free.
    raw(folder.path()).execute_batch("VACUUM").unwrap();
    settle(folder.path());
    (folder, truth)
}

fn copy_of(file: &[u8]) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("oyez.db"), file).unwrap();
    folder
}

/// What a flipped byte did.
#[derive(Debug, Default)]
struct Effect {
    /// The store could not be opened.
    closed: bool,
    /// Jobs whose events could not all be read.
    unread: Vec<JobId>,
    /// Anything that was refused, in words.
    said: Vec<String>,
}

/// Reads everything in the folder. Panics when events come that were never sent, or fewer than there were, in silence.
fn read_all(folder: &Path, truth: &Truth) -> Effect {
    let mut effect = Effect::default();
    // A store that is only looked at: nothing must be needed that is damaged elsewhere.
    let store = match oyez_store::SqliteStore::open(folder, SqliteOptions { read_only: true, ..options() }) {
        Ok(store) => store,
        Err(e) => return Effect { closed: true, said: vec![e.to_string()], ..effect },
    };
    runtime().block_on(async {
        for (id, events) in truth {
            match journal(&store, *id).await {
                Ok(got) => {
                    assert!(got == *events, "job {id}: {} events, wrong or missing in silence", got.len())
                }
                Err(e) => {
                    assert!(!matches!(e, StoreError::Io { .. }), "damage is called damage: {e:?}");
                    effect.unread.push(*id);
                    effect.said.push(e.to_string());
                }
            }
            match store.reader(*id).await {
                Ok(reader) => {
                    effect.said.extend(whole_tree(&*reader).err().map(|e| e.to_string()));
                    effect.said.extend(reader.failures(100).err().map(|e| e.to_string()));
                }
                Err(e) => effect.said.push(e.to_string()),
            }
            effect.said.extend(store.job(*id).await.err().map(|e| e.to_string()));
        }
        for n in 1..=3 {
            let hash = oyez_model::BlobHash(*blake3::hash(&noise(n, 3000)).as_bytes());
            match store.get_blob(hash).await {
                Ok(got) => assert!(got == noise(n, 3000)),
                Err(e) => effect.said.push(e.to_string()),
            }
        }
        match store.jobs(Default::default()).await {
            Ok(jobs) => effect.said.extend(jobs.into_iter().filter_map(|info| info.damage)),
            Err(e) => effect.said.push(e.to_string()),
        }
        store.close().await.unwrap();
    });
    effect
}

/// Writes to it as if nothing were wrong: it goes well or is refused, and what is acked is there.
fn write_some(folder: &Path) {
    let Ok(store) = oyez_store::SqliteStore::open(folder, options()) else { return };
    runtime().block_on(async {
        for id in (1..=3).map(JobId) {
            if let Ok(ack) = store.append(id, lines(producer(50), 1, 3)).await
                && let Ok(reader) = store.reader(id).await
                && let Ok(got) = reader.events_at(&[ack.first])
            {
                assert_eq!((got[0].1.producer, got[0].1.number.0), (producer(50), 1));
            }
        }
        let _ = store.create_job(job(9, &[], &[])).await;
        let _ = store.close().await;
    });
}

/// Flips bytes at these positions, one at a time.
fn flip_each(file: &[u8], truth: &Truth, positions: impl Iterator<Item = usize>) -> (usize, usize, usize) {
    let mut seed = Seed::new(7);
    let (mut harmless, mut closed, mut told) = (0, 0, 0);
    for at in positions {
        let mut flipped = file.to_vec();
        flipped[at] ^= 1 << seed.below(8);
        let folder = copy_of(&flipped);
        let place = format!(
            "byte {at} (page {}, {} within) {} -> {}",
            at / 4096 + 1,
            at % 4096,
            file[at],
            flipped[at]
        );
        println!("{place}");
        let effect = read_all(folder.path(), truth);
        let report = check(folder.path(), false);
        match (&effect, report) {
            (Effect { closed: true, .. }, _) => closed += 1,
            (Effect { said, .. }, Ok(report)) if said.is_empty() && report.findings.is_empty() => {
                harmless += 1
            }
            (effect, report) => {
                told += 1;
                let found = report.as_ref().is_err() || report.is_ok_and(|r| !r.findings.is_empty());
                assert!(found, "{place}: fsck finds nothing, but {effect:?}");
            }
        }
        write_some(folder.path());
    }
    (harmless, closed, told)
}

#[test]
fn a_flipped_byte_anywhere_is_harmless_or_told() {
    let (folder, truth) = filled();
    let file = std::fs::read(folder.path().join("oyez.db")).unwrap();
    assert_clean(folder.path());
    let undamaged = read_all(folder.path(), &truth);
    assert!(undamaged.said.is_empty(), "{undamaged:?}");
    let soak = if std::env::var_os("OYEZ_SOAK").is_some() { 20 } else { 1 };
    let mut seed = Seed::new(11);
    // The file's head, the heads of all pages with the places of their first cells, and some of everything.
    let head = (0..100).step_by(3);
    let pages = (0..file.len()).step_by(4096).flat_map(|page| (page..page + 24).step_by(7));
    let anywhere: Vec<usize> = (0..120 * soak).map(|_| seed.below(file.len() as u64) as usize).collect();
    let positions: Vec<usize> = head.chain(pages).chain(anywhere).collect();
    let (harmless, closed, told) = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let (file, truth, positions) = (&file, &truth, &positions);
            scope.spawn(move || flip_each(file, truth, positions.iter().copied().skip(half).step_by(2)))
        });
        let [a, b] = halves.map(|half| half.join().unwrap());
        (a.0 + b.0, a.1 + b.1, a.2 + b.2)
    });
    println!("{} bytes; harmless {harmless}, not opened {closed}, told {told}", file.len());
    assert!(told > 50);
}

/// Where some bytes stand in a part of a file: pages also hold what was moved out of them.
fn places(file: &[u8], within: std::ops::Range<usize>, bytes: &[u8]) -> Vec<usize> {
    let part = &bytes[..bytes.len().min(48)];
    within.filter(|at| file[*at..].starts_with(part)).collect()
}

/// The file with a bit flipped at each of these places.
fn flipped(file: &[u8], places: &[usize], within: usize) -> TempDir {
    let mut flipped = file.to_vec();
    for at in places {
        flipped[at + within] ^= 0x02;
    }
    copy_of(&flipped)
}

fn stored(folder: &Path, sql: &str) -> Vec<(i64, Vec<u8>)> {
    let conn = raw(folder);
    let mut get = conn.prepare(sql).unwrap();
    let rows = get.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_flip_in_a_chunk_is_found_and_costs_only_its_job() {
    let (folder, truth) = filled();
    let file = std::fs::read(folder.path().join("oyez.db")).unwrap();
    let chunks = stored(folder.path(), "SELECT id, data FROM chunk");
    assert!(chunks.len() >= 3);
    for (key, data) in chunks {
        let job = JobId(key.cast_unsigned() >> 36);
        let at = places(&file, 0..file.len(), &data);
        for within in [0, data.len().min(48) - 1] {
            let folder = flipped(&file, &at, within);
            let effect = read_all(folder.path(), &truth);
            assert_eq!(effect.unread, [job]);
            // Not mended: it is the only truth. It is told each time.
            for rebuild in [false, true, false] {
                let report = check(folder.path(), rebuild).unwrap();
                let found = report.findings.iter().find(|f| f.job == Some(job)).unwrap();
                assert!(found.what.contains("checksum") && !found.mended, "{found:?}");
                assert!(report.findings.iter().all(|f| f.job == Some(job)));
            }
            // The others go on, also when they are asked at once with it.
            let store = open(folder.path());
            runtime().block_on(async {
                let ask = |id| store.append(id, lines(producer(60), 1, 1));
                let (a, b, c) = tokio::join!(ask(JobId(1)), ask(JobId(2)), ask(JobId(3)));
                for (id, got) in [(JobId(1), a), (JobId(2), b), (JobId(3), c)] {
                    assert!(id == job || got.is_ok(), "{got:?}");
                }
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn rows_of_a_journal_that_is_not_whole_stay_as_they_are() {
    let (folder, _) = filled();
    let file = std::fs::read(folder.path().join("oyez.db")).unwrap();
    for lost in ["max", "min"] {
        for job in 1..=3 {
            let folder = copy_of(&file);
            let lose =
                format!("DELETE FROM chunk WHERE id = (SELECT {lost}(id) FROM chunk WHERE id >> 36 = {job})");
            assert_eq!(raw(folder.path()).execute(&lose, []).unwrap(), 1);
            let rows = |table: &str| {
                let count = format!("SELECT count(*) FROM {table} WHERE job = {job}");
                raw(folder.path()).query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap()
            };
            let before = (rows("node"), rows("segment"));
            let report = check(folder.path(), true).unwrap();
            let of_job = |f: &&oyez_store::sqlite::Finding| f.job == Some(JobId(job));
            let found: Vec<_> = report.findings.iter().filter(of_job).collect();
            assert!(!found.is_empty() && found.iter().all(|f| !f.mended), "{lost} {job}: {found:?}");
            assert_eq!((rows("node"), rows("segment")), before);
            // The list shows all of them.
            let store = open(folder.path());
            let jobs = runtime().block_on(store.jobs(Default::default())).unwrap();
            assert_eq!(jobs.iter().map(|info| info.id.0).collect::<Vec<_>>(), [3, 2, 1]);
            assert!(jobs.iter().all(|info| info.damage.is_none() || info.id.0 == job));
            runtime().block_on(store.close()).unwrap();
        }
    }
}

#[test]
fn a_flip_in_a_row_is_found_and_mended_from_the_journal() {
    let (folder, _) = filled();
    let file = std::fs::read(folder.path().join("oyez.db")).unwrap();
    let tree = |folder: &Path| {
        let store = open(folder);
        let got = runtime().block_on(async {
            let reader = store.reader(JobId(1)).await.unwrap();
            let got = (
                whole_tree(&*reader).unwrap(),
                reader.failures(1000).unwrap(),
                store.job(JobId(1)).await.unwrap(),
            );
            drop(reader);
            store.close().await.unwrap();
            got
        });
        drop(store);
        got
    };
    let before = tree(copy_of(&file).path());
    let tables = [
        ("node", "data", 61),
        ("segment", "data", 1),
        ("producer", "data", 1),
        ("checkpoint", "data", 1),
        ("job", "row", 1),
        ("job", "uid", 1),
        ("job_guid", "CAST(guid AS BLOB)", 2),
        ("job_tag", "CAST(tag AS BLOB)", 2),
    ];
    for (table, column, every) in tables {
        let rows = stored(folder.path(), &format!("SELECT 1, {column} FROM {table}"));
        let root: i64 = raw(folder.path())
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
            .unwrap();
        let root = (root as usize - 1) * 4096..root as usize * 4096;
        let mut flips = 0;
        for (_, data) in rows.into_iter().step_by(every) {
            flips += 1;
            // A short text stands in other tables as well; its table has only one page.
            let at = if data.len() <= 16 { root.clone() } else { 0..file.len() };
            let at = places(&file, at, &data);
            let folder = flipped(&file, &at, data.len().min(48) / 2);
            let found = check(folder.path(), false).unwrap().findings;
            assert!(!found.is_empty() && found.iter().all(|f| !f.mended), "{table} {at:?}: {found:?}");
            let mended = check(folder.path(), true).unwrap().findings;
            assert!(mended.iter().any(|f| f.mended), "{table}: {mended:?}");
            assert_clean(folder.path());
            assert!(tree(folder.path()) == before, "{table}");
        }
        assert!(flips > 0, "{table}");
    }
}

#[test]
fn a_flip_in_a_checkpoint_costs_only_time() {
    let (folder, truth) = filled();
    let file = std::fs::read(folder.path().join("oyez.db")).unwrap();
    for (_, data) in stored(folder.path(), "SELECT job, data FROM checkpoint") {
        let at = places(&file, 0..file.len(), &data);
        for within in (0..data.len().min(48)).step_by(5) {
            let folder = flipped(&file, &at, within);
            let effect = read_all(folder.path(), &truth);
            assert!(effect.said.is_empty(), "{effect:?}");
            write_some(folder.path());
            let store = open(folder.path());
            runtime().block_on(store.close()).unwrap();
        }
    }
}

#[test]
fn a_flipped_large_blob_is_told_and_mended_by_putting_it_again() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let bytes = noise(1, 200_000);
    runtime().block_on(async {
        store.create_job(job(1, &[], &[])).await.unwrap();
        let hash = store.put_blob(bytes.clone()).await.unwrap();
        let hex = hash.to_string();
        let path = folder.path().join("blobs").join(&hex[..2]).join(&hex[2..]);
        let mut flipped = std::fs::read(&path).unwrap();
        flipped[100_000] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(matches!(store.get_blob(hash).await, Err(StoreError::Damaged { .. })));
        let path = folder.path().to_owned();
        let report = tokio::task::spawn_blocking(move || check(&path, false).unwrap()).await.unwrap();
        assert!(report.findings.len() == 1 && report.findings[0].what.contains(&hex), "{report:?}");
        store.put_blob(bytes.clone()).await.unwrap();
        assert!(store.get_blob(hash).await.unwrap() == bytes);
        store.close().await.unwrap();
    });
    assert_clean(folder.path());
}

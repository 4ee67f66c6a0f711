//! `search` and `tags` of a server, which indexes by itself.

use serde_json::Value;

use crate::lab::{Lab, descriptor, poll, shell};
use crate::serve::serve;

#[test]
fn logs_and_tags_of_a_server_are_searched_and_it_indexes_by_itself() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    for n in 1..=3 {
        let script = format!("for i in $(seq 150); do echo line $i of job {n}; done");
        lab.write("job.yaml", descriptor(&["T1"], &[&shell("say", &script)]));
        server.oyez(&lab, &["submit", "job.yaml", "--wait"]).ended(0);
    }
    let find = |arguments: &[&str]| {
        server.oyez(&lab, &[&["search", "--format", "jsonl"], arguments].concat()).ended(0).lines()
    };
    let of = |lines: &[Value]| lines.iter().map(|line| line["job"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(of(&find(&["line 77 of"])), [3, 2, 1]);
    assert_eq!(of(&find(&["--regex", "^line 77 .* 2$"])), [2]);
    assert_eq!(find(&["line", "--limit", "0"]).len(), 450);
    assert_eq!(find(&["line", "--limit", "120"]).len(), 120);
    assert_eq!(find(&["line 77", "--job", "latest"])[0]["target"], "T1");
    // The local store has the same.
    let local = lab.oyez(&["search", "line 77 of", "--format", "jsonl"]).ended(0).lines();
    assert_eq!(local, find(&["line 77 of"]));
    let wrong = server.oyez(&lab, &["search", "a", "--job", "17"]).ended(2);
    assert!(wrong.err.contains("there is no job '17'"), "{}", wrong.err);
    poll("the server does not index", || {
        let conn = rusqlite::Connection::open(lab.path("store/oyez.db")).unwrap();
        let left: i64 = conn.query_row("SELECT count(*) FROM unindexed", [], |row| row.get(0)).unwrap();
        (left == 0).then_some(())
    });
    assert_eq!(of(&find(&["line 77 of"])), [3, 2, 1]);
    let tags = server.oyez(&lab, &["tags", "--format", "json"]).ended(0).json();
    assert_eq!(tags, lab.oyez(&["tags", "--format", "json"]).ended(0).json());
    for tag in tags.as_array().unwrap() {
        let name = tag["name"].as_str().unwrap();
        let jobs = server.oyez(&lab, &["tags", "--jobs", name, "--format", "json"]).ended(0).json();
        assert_eq!(jobs.as_array().unwrap().len() as u64, tag["jobs"].as_u64().unwrap());
    }
    // An index that goes away under a running server is made again, and nothing is missed meanwhile.
    std::fs::remove_dir_all(lab.path("store/search")).unwrap();
    assert_eq!(of(&find(&["line 77 of"])), [3, 2, 1]);
    poll("the server does not make it again", || lab.path("store/search").is_dir().then_some(()));
    assert_eq!(of(&find(&["line 77 of"])), [3, 2, 1]);
}

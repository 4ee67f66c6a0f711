//! In a process of its own, since zombies are counted for the whole of it.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

#[path = "run/lab.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod lab;

use lab::{Lab, job, shell, test};

fn zombies() -> Vec<String> {
    let me = format!(" Z {} ", std::process::id());
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&me)).collect()
}

#[tokio::test]
async fn no_zombie_is_left_of_processes_and_their_orphans() {
    let lab = Lab::new();
    let pids = lab.path("pids");
    let steps = vec![
        shell("s1", "true"),
        // Orphans that end before and after their parent.
        shell("s2", "(true &) ; (true > /dev/null 2>&1 &)"),
        shell("s3", "sleep 3600 > /dev/null 2>&1 &"),
        // One that goes on in a session of its own.
        shell(
            "s4",
            &format!(
                "setsid sh -c 'echo $$ > {0}.{{{{.ID}}}}; exec sleep 3600' > /dev/null 2>&1 & until [ -s {0}.{{{{.ID}}}} ]; do :; done",
                pids.display()
            ),
        ),
    ];
    let ids: Vec<String> = (0..20).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ran = lab.run(&job(vec![test("A", &ids, steps)])).await;
    assert_eq!(ran.count("target_out"), 80);
    for id in &ids {
        let pid = std::fs::read_to_string(format!("{}.{id}", pids.display())).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    let begin = std::time::Instant::now();
    while !zombies().is_empty() && begin.elapsed().as_secs() < 20 {
        oyez_engine::process::reap();
        tokio::task::yield_now().await;
    }
    assert_eq!(zombies(), [""; 0]);
}

//! A disk that runs full while jobs run: they wait, that is said, and they go on when there is room again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::lab::{Lab, Running, poll};
use crate::serve::{Server, ready};
use crate::skipped::skipped;

/// A server whose store lies on a small file system of its own, which only it sees; none where that cannot be made.
fn on_a_small_disk(lab: &Lab) -> Option<Server> {
    let place = lab.path("store");
    std::fs::create_dir_all(&place).unwrap();
    let mount = format!("mount -t tmpfs -o size=24m none '{}'", place.display());
    let can = Command::new("unshare").args(["-rm", "sh", "-c", &mount]).output();
    if !can.is_ok_and(|out| out.status.success()) {
        skipped("no file system can be mounted in a name space of its own");
        return None;
    }
    let serve = lab.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &format!("{mount} && exec \"$@\"")]).arg("sh").arg(serve.get_program());
    command.args(serve.get_args()).current_dir(lab.path("")).env_clear();
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(ready(Running::of(command)))
}

/// The status and body of an answer to GET.
fn get(server: &Server, path: &str) -> (u16, String) {
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Takes all room there is.
fn fill(path: &PathBuf) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    for size in [1 << 20, 1 << 12] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn jobs_wait_while_the_disk_is_full_and_go_on_when_there_is_room() {
    let lab = Lab::new();
    let Some(mut server) = on_a_small_disk(&lab) else { return };
    let noise = "head -c 30000 /dev/urandom | base64";
    let job = crate::lab::descriptor(&["T1"], &[&crate::lab::shell("noise", noise)]);
    lab.write("job.yaml", job.replace("Runs: 1", "Runs: 60\nRunInterval: 20ms"));
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    poll("it does not begin", || (server.job(&lab, "1")["state"] == "Started").then_some(()));
    assert_eq!(get(&server, "/readyz").0, 200);
    let ballast = PathBuf::from(format!("/proc/{}/root", server.running.pid()))
        .join(lab.path("store/ballast").strip_prefix("/").unwrap());
    fill(&ballast);
    let said = poll("it does not say that it is full", || {
        // What was freed meanwhile is taken as well.
        fill(&ballast);
        let (status, text) = get(&server, "/readyz");
        (status == 503).then_some(text)
    });
    assert!(said.contains("no space left") && said.contains("jobs wait"), "{said}");
    assert_eq!(server.job(&lab, "1")["state"], "Started", "it can be looked at");
    let refused = server.oyez(&lab, &["submit", "job.yaml"]).ended(3);
    assert!(refused.err.contains("no space left"), "{}", refused.err);
    std::fs::remove_file(&ballast).unwrap();
    poll("it does not go on", || (get(&server, "/readyz").0 == 200).then_some(()));
    let job = poll("it does not come to its end", || {
        let job = server.job(&lab, "1");
        (job["state"] != "Started").then_some(job)
    });
    assert_eq!(
        (&job["state"], &job["verdict"], &job["complete"]),
        (&"Completed".into(), &"success".into(), &"yes".into()),
        "{job:#}"
    );
    server.running.signal(rustix::process::Signal::TERM);
    let said = server.running.end().ended(0).err;
    assert_eq!(
        said.matches("jobs wait and go on when").count(),
        said.matches("jobs go on\n").count(),
        "{said}"
    );
    assert!(said.contains("jobs wait and go on when it can be written again"), "{said}");
}

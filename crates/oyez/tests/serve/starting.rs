//! How a server is started, and when it is not.

use crate::lab::Lab;
use crate::serve::serve;

#[test]
fn it_says_in_one_line_where_it_is() {
    let lab = Lab::new();
    let mut server = serve(&lab, &["--server-id", "labsrv"]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    let version = server.oyez(&lab, &["list", "--format", "json"]).ended(0);
    assert_eq!(version.text().trim(), "[]");
    server.running.signal(rustix::process::Signal::TERM);
    server.running.end().ended(0);
}

#[test]
fn it_refuses_addresses_that_others_can_reach_and_those_that_are_taken() {
    let lab = Lab::new();
    for address in ["0.0.0.0:0", ":8080", "[::]:0", "192.0.2.1:80"] {
        let done = lab.oyez(&["serve", "--listen", address]).ended(2);
        assert!(done.err.contains("only loopback addresses"), "{address}: {}", done.err);
    }
    assert!(lab.oyez(&["serve", "--listen", "nowhere"]).ended(2).err.contains("127.0.0.1:8080"));
    let server = serve(&lab, &[]);
    let taken = server.url.trim_start_matches("http://").to_owned();
    let done = lab.oyez(&["serve", "--listen", &taken, "--data", "other"]).ended(2);
    assert!(
        done.err.contains("cannot listen on") && done.err.contains("nothing was started"),
        "{}",
        done.err
    );
}

#[test]
fn two_servers_of_one_name_on_one_store_are_one_too_many() {
    let lab = Lab::new();
    let _first = serve(&lab, &["--server-id", "lab"]);
    let done = lab.oyez(&["serve", "--listen", "127.0.0.1:0", "--server-id", "lab"]).ended(2);
    assert!(done.err.contains("--server-id"), "{}", done.err);
    let _second = serve(&lab, &["--server-id", "other"]);
}

#[test]
fn names_beyond_contests_limits_are_refused() {
    let lab = Lab::new();
    let long = "x".repeat(65);
    assert!(
        lab.oyez(&["serve", "--server-id", &long]).ended(2).err.contains("Server ID is too long: 65 > 64")
    );
    assert!(lab.oyez(&["serve", "--instance-tag", "a"]).ended(2).err.contains("begins with `_`"));
    assert!(lab.oyez(&["--version"]).ended(0).text().contains("1.0"));
}

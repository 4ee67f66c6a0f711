//! Documents over https: a server must prove who it is, to an authority that this machine trusts.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use oyez_engine::{FetchLimits, Uri, fetch::fetch};

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Started by the test below, with an authority in its environment.
#[test]
#[ignore = "started by the test below"]
fn as_a_child_that_trusts_the_authority() {
    let uri = Uri::parse(&std::env::var("OYEZ_TEST_URI").unwrap()).unwrap();
    assert_eq!(fetch(&uri, FetchLimits::default()).unwrap(), b"{\"steps\": []}");
}

#[test]
fn a_server_must_be_certified_by_an_authority_that_is_trusted() {
    if Command::new("openssl").arg("version").output().is_err() {
        return skipped::skipped("openssl is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(place, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"));
    openssl(place, &format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=localhost"));
    std::fs::write(place.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        place,
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out leaf.pem",
    );
    std::fs::write(place.join("steps.json"), "{\"steps\": []}").unwrap();
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "leaf.pem", "-key", "leaf.key", "-WWW"])
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port =
        lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    let uri = format!("https://localhost:{}/steps.json", port.unwrap());
    let unknown = fetch(&Uri::parse(&uri).unwrap(), FetchLimits::default());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "as_a_child_that_trusts_the_authority", "--ignored"])
        .env("SSL_CERT_FILE", place.join("ca.pem"))
        .env("OYEZ_TEST_URI", &uri)
        .output()
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let unknown = unknown.unwrap_err();
    assert!(unknown.contains("certificate"), "{unknown}");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

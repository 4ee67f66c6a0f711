//! `s3fileupload` against a real S3 server program: moto, in an environment that `cargo xtask test` makes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use oyez_model::event::Stream;
use serde_json::{Value, json};

use super::lab::{Lab, Ran, job, step, test};
use super::plain::named;

/// The server, with a bucket in it.
struct S3 {
    child: Child,
    address: String,
}

impl S3 {
    /// Starts it; `None` where there is none, which is said.
    fn start() -> Option<S3> {
        let folder = std::env::var_os("OYEZ_TEST_MOTO").filter(|folder| !folder.is_empty());
        let Some(folder) = folder.map(PathBuf::from) else {
            crate::skipped::skipped("moto is not installed");
            return None;
        };
        let mut child = Command::new(folder.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next().map_or_else(String::new, Result::unwrap);
            if let Some((_, address)) = line.split_once("Running on ") {
                break address.trim().to_owned();
            }
            said.push_str(&line);
            assert!(
                said.len() < 10_000 && !(line.is_empty() && said.len() > 5_000),
                "moto did not start: {said}"
            );
        };
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        ureq::put(format!("{address}/lab")).send_empty().unwrap();
        Some(S3 { child, address })
    }

    /// An object, or something of it: its headers and its bytes.
    fn get(&self, path: &str) -> (Vec<(String, String)>, Vec<u8>) {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}/lab/{path}", self.address) };
        let mut answer = ureq::get(url).call().unwrap();
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        (headers, answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

async fn upload(lab: &Lab, endpoint: &str, changes: Value) -> Ran {
    let credentials = lab.path("credentials");
    std::fs::write(&credentials, "[default]\naws_access_key_id = A\naws_secret_access_key = S\n").unwrap();
    let mut parameters = json!({
        "path": [lab.path("log-{{ .ID }}")], "filename": ["{{ .ID }}.log"], "s3region": ["eu-west-1"], "s3bucket": ["lab"],
        "s3path": ["logs/today"], "s3credfile": [credentials], "s3endpoint": [endpoint]
    });
    for (name, value) in changes.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    lab.run(&job(vec![test("t", &["T1"], vec![step("s3fileupload", "u", parameters)])])).await
}

fn url(ran: &Ran) -> String {
    assert_eq!(ran.errors(), [""; 0], "{}", String::from_utf8_lossy(&ran.text(Stream::Log)));
    let (name, target, payload) = named(ran).remove(0);
    assert_eq!((name.as_str(), target.as_str()), ("URL", "T1"));
    payload["Msg"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_there_with_all_that_contest_says_of_it() {
    let Some(s3) = S3::start() else { return };
    let lab = Lab::new();
    std::fs::write(lab.path("log-T1"), "what happened\n").unwrap();
    let url = url(&upload(&lab, &s3.address, json!({})).await);
    let begin = format!("{}/lab/logs/today/", s3.address);
    let name = url.strip_prefix(&begin).unwrap();
    // `20060102_150405_T1.log`
    assert!(name.len() == 22 && name.ends_with("_T1.log") && name.as_bytes()[8] == b'_', "{name}");
    let (headers, body) = s3.get(&url);
    let header =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(body, b"what happened\n");
    assert_eq!(header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(header("content-disposition"), Some("attachment"));
    assert_eq!(header("x-amz-server-side-encryption"), Some("AES256"));
    let (_, acl) = s3.get(&format!("{url}?acl"));
    assert!(String::from_utf8(acl).unwrap().contains("AllUsers"), "everybody may read it");
    let own = upload(&lab, &s3.address, json!({"s3acl": [""], "filename": ["own"]})).await;
    let refused = ureq::get(self::url(&own)).call().unwrap_err();
    assert!(matches!(refused, ureq::Error::StatusCode(403)), "the bucket's own rule: {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_goes_in_parts_and_a_compressed_one_as_an_archive() {
    let Some(s3) = S3::start() else { return };
    let lab = Lab::new();
    let bytes: Vec<u8> = (0..18_000_000_u32).map(|i| i.to_le_bytes()[(i % 3) as usize]).collect();
    std::fs::write(lab.path("log-T1"), &bytes).unwrap();
    let whole = url(&upload(&lab, &s3.address, json!({})).await);
    assert!(s3.get(&whole).1 == bytes);
    let (_, acl) = s3.get(&format!("{whole}?acl"));
    assert!(String::from_utf8(acl).unwrap().contains("AllUsers"));
    let packed = url(&upload(&lab, &s3.address, json!({"compgzip": [true]})).await);
    assert!(packed.ends_with("_T1.log.tar.gz"), "{packed}");
    let mut archive =
        tar::Archive::new(flate2::read::GzDecoder::new(std::io::Cursor::new(s3.get(&packed).1)));
    let mut read = Vec::new();
    archive.entries().unwrap().next().unwrap().unwrap().read_to_end(&mut read).unwrap();
    assert!(read == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_that_targets_failure() {
    let lab = Lab::new();
    let refused =
        async |endpoint: &str, changes: Value| upload(&lab, endpoint, changes).await.errors().remove(0);
    let missing = refused("http://127.0.0.1:1", json!({})).await;
    assert_eq!(
        missing,
        format!("could not read the file: open {}: no such file or directory", lab.path("log-T1").display())
    );
    std::fs::write(lab.path("log-T1"), "x").unwrap();
    let nobody = refused("http://127.0.0.1:1", json!({"s3credprofile": ["nobody"]})).await;
    assert!(nobody.contains("SharedCredsAccess: there is no profile nobody in "), "{nobody}");
    let nothing = refused("http://127.0.0.1:1", json!({"s3credfile": ["/no/such"]})).await;
    assert!(
        nothing.contains("SharedCredsLoad: failed to load shared credentials file: open /no/such"),
        "{nothing}"
    );
    let Some(s3) = S3::start() else { return };
    let bucket = refused(&s3.address, json!({"s3bucket": ["nowhere"]})).await;
    assert!(bucket.starts_with("could not upload the file: ") && bucket.contains("NoSuchBucket"), "{bucket}");
}

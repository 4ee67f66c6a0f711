//! A real browser, driven through ChromeDriver's HTTP interface (W3C WebDriver), spoken here in as many words as needed.

use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Driver {
    fn start() -> Result<Self, String> {
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?;
        let port = free.port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("chromedriver cannot be started ({e}); apt-get install chromium-driver"))?;
        let driver = Driver { process, port };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err("chromedriver does not answer".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(driver)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String, String> {
        let text = |e: std::io::Error| e.to_string();
        let mut to = TcpStream::connect(("127.0.0.1", self.port)).map_err(text)?;
        to.set_read_timeout(Some(Duration::from_secs(60))).map_err(text)?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        to.write_all(head.as_bytes()).and_then(|()| to.write_all(body.as_bytes())).map_err(text)?;
        let mut answer = String::new();
        // ChromeDriver keeps the connection: the answer ends with its length, not with the connection.
        let mut from = std::io::BufReader::new(to);
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).map_err(text)? == 0 || line == "\r\n" {
                break;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap_or(0);
            }
        }
        from.take(length).read_to_string(&mut answer).map_err(text)?;
        Ok(answer)
    }
}

/// Milliseconds from the navigation to the first contentful paint of a local page; the median of three.
///
/// # Errors
/// There is no browser, or it does not paint.
pub fn first_paint(page: &Path) -> Result<f64, String> {
    let driver = Driver::start()?;
    let options = r#"{"capabilities":{"alwaysMatch":{"goog:chromeOptions":{"args":["--headless","--no-sandbox","--disable-gpu","--disable-background-networking","--no-first-run","--disable-sync"]}}}}"#;
    let answer = driver.ask("POST", "/session", options)?;
    let session = field(&answer, "\"sessionId\":\"").ok_or_else(|| format!("no session: {answer}"))?;
    let path = format!("/session/{session}");
    let mut times = Vec::new();
    for _ in 0..3 {
        driver.ask("POST", &format!("{path}/url"), &format!("{{\"url\":\"file://{}\"}}", page.display()))?;
        let script = r#"{"script":"return String(performance.getEntriesByType('paint').filter(e => e.name == 'first-contentful-paint').map(e => e.startTime)[0])","args":[]}"#;
        let answer = driver.ask("POST", &format!("{path}/execute/sync"), script)?;
        let value = field(&answer, "\"value\":\"").ok_or_else(|| format!("no answer: {answer}"))?;
        times.push(value.parse::<f64>().map_err(|_| format!("no paint: {answer}"))?);
    }
    driver.ask("DELETE", &path, "")?;
    Ok(crate::measure::median(times))
}

fn field(text: &str, before: &str) -> Option<String> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(rest[..rest.find('"')?].to_owned())
}

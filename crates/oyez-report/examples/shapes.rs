//! Writes the page of every strange shape of job into a folder, to look at: `shapes FOLDER`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "an example that a person runs and watches"
)]
#![allow(dead_code, reason = "it shares the tests' builder of jobs and uses a part of it")]

use std::fs::File;
use std::path::PathBuf;

use oyez_report::{Format, Options, write_report};

#[path = "../tests/sample/mod.rs"]
mod sample;
#[path = "../tests/strange/mod.rs"]
mod strange;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("usage: shapes FOLDER"));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, job) in strange::all() {
        let file = folder.join(format!("{}.html", name.replace(' ', "-")));
        write_report(job.as_ref(), Format::Html, &mut File::create(&file).unwrap(), &Options::default())
            .unwrap();
        println!("{}", file.display());
    }
}

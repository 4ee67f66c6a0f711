//! Writes every kind of report about a made-up job into a folder: `showcase FOLDER`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example that a person runs and watches")]
#![allow(dead_code, reason = "it shares the tests' builder of jobs and uses a part of it")]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use oyez_report::{Format, Options, write_reports};

#[path = "../tests/sample/mod.rs"]
mod sample;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("usage: showcase FOLDER"));
    std::fs::create_dir_all(&folder).unwrap();
    let reader = sample::lab().reader();
    let mut files: Vec<(Format, File)> =
        Format::ALL.iter().map(|f| (*f, File::create(folder.join(f.file_name())).unwrap())).collect();
    let mut outputs: Vec<(Format, &mut dyn Write)> =
        files.iter_mut().map(|(format, file)| (*format, file as &mut dyn Write)).collect();
    write_reports(reader.as_ref(), &mut outputs, &Options::default()).unwrap();
}

//! What a test says that cannot run here, for want of a program or of a folder beside the repository: it passes, and it
//! is seen. Test crates take this file in by `#[path]`.

use std::io::Write;

/// Says why a test is skipped, also in the file that `OYEZ_TEST_SKIPPED` names, from which `cargo xtask test` counts.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    if let Some(file) = std::env::var_os("OYEZ_TEST_SKIPPED") {
        // In one write: other tests write there, too.
        let opened = std::fs::File::options().append(true).create(true).open(file);
        if let Err(e) = opened.and_then(|mut file| file.write_all(format!("{why}\n").as_bytes())) {
            println!("it cannot be counted: {e}");
        }
    }
}

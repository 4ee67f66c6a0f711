//! The page in a real browser: parts open, search and filter find, links lead, keys work, and nothing of a job's own
//! text ever runs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may: its panic is the report")]

mod browser;
mod sample;
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod strange;

use std::fs::File;
use std::path::PathBuf;

use browser::Browser;
use oyez_report::{Format, Options, write_report};
use oyez_store::JobReader;
use tempfile::TempDir;

struct Written {
    _folder: TempDir,
    file: PathBuf,
}

fn written(reader: &dyn JobReader) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    write_report(reader, Format::Html, &mut File::create(&file).unwrap(), &Options::default()).unwrap();
    Written { _folder: folder, file }
}

fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        skipped::skipped("no Chromium is installed (Debian: chromium)");
    }
    browser
}

/// The names of the rows that are shown, with their levels.
const ROWS: &str = "[...document.querySelectorAll('#tree .r')].map((r) => r.dataset.l + ' ' + r.querySelector('.m > span').textContent).join('\\n')";

#[test]
fn sections_open_by_keys_and_show_their_log_in_place() {
    let Some(mut browser) = browser() else { return };
    let report = written(sample::lab().reader().as_ref());
    let mut page = browser.open(&report.file, "");
    assert_eq!(page.text(ROWS), "1 Run 1\n1 Run 2");
    page.get("document.querySelector('#tree .r').focus()");
    page.press("ArrowRight");
    page.wait_for("document.querySelectorAll('#tree .r').length === 7");
    assert_eq!(page.text(ROWS), "1 Run 1\n2 smoke\n2 flaky\n2 flaky\n2 unit\n2 power off\n1 Run 2");
    // Into the run, to its first test, open it, to its second target, open that, to its second step, open that.
    for _ in 0..2 {
        page.press("ArrowRight");
        page.wait_for("document.activeElement.matches('#tree .r')");
    }
    page.wait_for("document.querySelectorAll('#tree .r').length === 10");
    for key in ["ArrowDown", "ArrowDown", "ArrowRight"] {
        page.press(key);
    }
    page.wait_for("document.querySelectorAll('#tree .r').length === 12");
    for key in ["ArrowDown", "ArrowDown", "Enter"] {
        page.press(key);
    }
    page.wait_for("document.querySelector('#tree .d .log')");
    let shown = page.text("document.querySelector('#tree .d .log').parentElement.innerText");
    assert!(shown.contains("no link on eth0 after 8 tries") && shown.contains("boot time"), "{shown}");
    // Terminal colours are spans.
    assert_eq!(page.text("document.querySelector('#tree .log .c1.B').textContent"), "error:");
    // The address names the section now; left closes it and goes up.
    assert_eq!(page.text("location.hash"), "#1.10");
    page.press("ArrowLeft");
    page.press("ArrowLeft");
    assert_eq!(page.text("document.activeElement.querySelector('.m > span').textContent"), "board-02");
    page.press("ArrowLeft");
    assert_eq!(page.get("document.querySelectorAll('#tree .r').length"), 10);
    let roles = page.get("[...document.querySelectorAll('#tree .r')].every((r) => r.getAttribute('role') === 'treeitem' && r.getAttribute('aria-level') === r.dataset.l && r.ariaPosInSet && r.ariaSetSize)");
    assert_eq!(roles, true);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn search_looks_through_names_that_were_never_opened() {
    let Some(mut browser) = browser() else { return };
    let report = written(strange::wide(20_000).as_ref());
    let mut page = browser.open(&report.file, "");
    page.press("/");
    assert_eq!(page.text("document.activeElement.id"), "q");
    page.type_text("CASE 1999");
    page.wait_for("document.body.dataset.found");
    assert_eq!(page.text("document.getElementById('found').textContent"), "11 found in 20,002 sections");
    assert_eq!(page.text("document.querySelector('.hit span').textContent"), "case 1999");
    assert_eq!(page.text("document.querySelector('.hit em').textContent"), "Run 1 › many");
    // A hit leads into the tree: the page of the list that it stands on is shown, with what is before and after it.
    page.get("document.querySelectorAll('.hit')[10].click()");
    page.wait_for("document.activeElement.matches('.r')");
    assert_eq!(page.text("document.activeElement.querySelector('.m > span').textContent"), "case 19999");
    assert_eq!(
        page.text("document.activeElement.ariaPosInSet + ' of ' + document.activeElement.ariaSetSize"),
        "20000 of 20000"
    );
    assert_eq!(page.text("document.querySelector('.more').textContent"), "Show 19,968 earlier");
    // The filter lists what the counts say.
    page.press("f");
    page.wait_for("document.body.dataset.found === '200'");
    page.press("Escape");
    assert_eq!(page.get("document.getElementById('tree').hidden"), false);
    // The next failure, from the beginning.
    page.press("n");
    page.wait_for("document.activeElement.querySelector('.m > span')?.textContent === 'case 99'");
    page.press("n");
    page.wait_for("document.activeElement.querySelector('.m > span')?.textContent === 'case 199'");
    page.press("p");
    page.wait_for("document.activeElement.querySelector('.m > span')?.textContent === 'case 99'");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_link_opens_its_section_however_deep_it_is() {
    let Some(mut browser) = browser() else { return };
    let report = written(strange::deep(300).as_ref());
    let mut page = browser.open(&report.file, "1.302");
    page.wait_for("document.body.dataset.shown === '1.302'");
    assert_eq!(page.text("document.activeElement.querySelector('.m > span').textContent"), "level 299");
    assert!(page.text("document.querySelector('#tree .d').innerText").contains("the bottom"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn nothing_of_a_job_runs_in_the_page() {
    let Some(mut browser) = browser() else { return };
    let report = written(strange::hostile().as_ref());
    let mut page = browser.open(&report.file, "1.4");
    page.wait_for("document.body.dataset.shown === '1.4'");
    // Everything is opened.
    page.get("(async () => { for (let i = 0; i < 3; i++) for (const row of document.querySelectorAll('#tree .r')) await openRow(row); })()");
    assert!(page.text("document.getElementById('tree').innerText").contains("<img src=x onerror=alert(1)>"));
    assert_eq!(page.get("document.querySelectorAll('img, iframe, object, #tree script, #tree a').length"), 0);
    page.get("search(document.getElementById('q').value = 'alert')");
    page.wait_for("document.body.dataset.found > 0");
    assert_eq!(page.get("document.querySelectorAll('#hits img, #hits script').length"), 0);
    // An alert would have stopped the page, an image or a script would be a violation of its policy.
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn every_shape_of_job_is_shown_without_a_complaint() {
    let Some(mut browser) = browser() else { return };
    for (name, job) in strange::all() {
        let report = written(job.as_ref());
        let mut page = browser.open(&report.file, "");
        assert!(!page.text("document.querySelector('#hero .big').textContent").is_empty(), "{name}");
        page.press("t");
        let theme = page.text("document.documentElement.dataset.theme");
        assert!(theme == "dark" || theme == "light", "{name}");
        page.press("?");
        assert_eq!(page.get("document.getElementById('help').open"), true, "{name}");
        assert_eq!(browser.complaints(), [""; 0], "{name}");
    }
}
